"""Compare the memory of sequence learners, and how far back their gradients reach: a table and a figure.

    python -m benchmarks.gradients --out docs

Supervised: after T symbols, the first of them is classified (one of 8, cross-entropy). Every learner is an embedding, a
memory of 32 units as in `agents/networks/memory.py` and a dense layer. The figure shows |dL_T / dh_t| over t, before
and after training: the gradient of the final loss at step t. A bidirectional network reads the sequence from both ends;
its output is both final states, and h_t are both states. For attention, which has no state, h_t is the input at step t.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import torch
from torch import Tensor, nn

from agents.networks.memory import Attention, Recurrent
from training.optimizers import Adam
from training.storage.curve import save_figure, subplots

SYMBOLS, WIDTH, BATCH = 8, 32, 64
LENGTHS = (10, 25, 50)
KINDS = {  # name: kind, directions, whether gates are initialised to remember T steps
    "RNN": ("rnn", 1, False),
    "bidirectional RNN": ("rnn", 2, False),
    "LSTM, torch's biases": ("lstm", 1, False),
    "LSTM": ("lstm", 1, True),
    "GRU": ("gru", 1, True),
    "self-attention": ("attention", 1, False),
}
COLOURS = ("C3", "C1", "C7", "C0", "C2", "C4")


class Reader(nn.Module):
    """Symbols [T, B] -> logits [B, 8] of the first one."""

    def __init__(self, kind: str, directions: int, span: int, length: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(SYMBOLS, WIDTH)
        self.memories = nn.ModuleList(
            Attention(WIDTH, length) if kind == "attention" else Recurrent(kind, WIDTH, span) for _ in range(directions)
        )
        self.head = nn.Linear(directions * WIDTH, SYMBOLS)

    def forward(self, symbols: Tensor) -> Tensor:
        """Return the logits [B, 8]."""
        x, ends = self.embedding(symbols), []
        for memory, way in zip(self.memories, (x, x.flip(0)), strict=False):
            ends.append(memory(way, torch.zeros(way.shape[:2], dtype=torch.bool), start(memory, way)).out[-1])
        logits: Tensor = self.head(torch.cat(ends, 1))
        return logits

    def gradients(self, symbols: Tensor) -> Tensor:
        """Return |dL_T / dh_t| [T], the mean over the batch of each sequence's gradient."""
        x, ends, states = self.embedding(symbols).detach().requires_grad_(), [], list[Tensor]()
        for memory, way in zip(self.memories, (x, x.flip(0)), strict=False):
            none = torch.zeros(way.shape[:2], dtype=torch.bool)
            if isinstance(memory, Attention):
                ends.append(memory(way, none, start(memory, way)).out[-1])
                continue
            state = start(memory, way)
            for t in range(len(way)):  # step by step, so that h_t is a tensor of the graph
                state = memory(way[t : t + 1], none[:1], state).state
                states.append(state)
            ends.append(state[:, :WIDTH])
        loss = nn.functional.cross_entropy(self.head(torch.cat(ends, 1)), symbols[0], reduction="sum")
        found = torch.autograd.grad(loss, states or x)
        ways = torch.split(torch.stack(found), len(x)) if states else found
        both = torch.cat([ways[0], *(way.flip(0) for way in ways[1:])], 2)  # the second direction is reversed
        size: Tensor = both.norm(dim=2).mean(1)
        return size


def start(memory: nn.Module, x: Tensor) -> Tensor:
    """Return the initial state of a memory."""
    assert isinstance(memory, Attention | Recurrent)
    return torch.zeros(x.shape[1], memory.size)


def trained(reader: Reader, length: int, updates: int) -> float:
    """Train the reader; return its accuracy on new sequences."""
    optimizer = Adam(reader.parameters(), 3e-3)
    for _ in range(updates):
        symbols = torch.randint(SYMBOLS, (length, BATCH))
        loss = nn.functional.cross_entropy(reader(symbols), symbols[0])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(reader.parameters(), 1.0)
        optimizer.step()
    with torch.no_grad():
        symbols = torch.randint(SYMBOLS, (length, 1_000))
        return float((reader(symbols).argmax(1) == symbols[0]).float().mean())


def draw(curves: dict[str, tuple[Tensor, Tensor]], file: Path) -> None:
    """Plot the gradients before and after training, each curve as a share of its maximum."""
    figure, panels = subplots(1, 2, figsize=(10, 4.2), sharey=True)
    for panel, when, title in zip(panels, (0, 1), ("before training", "after training"), strict=True):
        for colour, (name, both) in zip(COLOURS, curves.items(), strict=True):
            share = (both[when] / both[when].max()).clamp(min=1e-9)
            panel.plot(range(1, len(share) + 1), share, color=colour, label=name, linewidth=1.8)
        panel.set(yscale="log", ylim=(1e-8, 2.0), xlabel="step t of the sequence", title=title)
        panel.grid(alpha=0.3)
    panels[0].set_ylabel(r"$|\partial L_T / \partial h_t|$, share of the largest")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=6, fontsize=9)
    save_figure(figure, file)


def measure(lengths: Sequence[int], updates: int) -> tuple[list[list[str]], dict[str, tuple[Tensor, Tensor]]]:
    """Return rows of the table, and gradients before and after training for the last of `lengths`."""
    rows, curves = [], {}
    for name, (kind, directions, holds) in KINDS.items():
        accuracies, started, weights = [], perf_counter(), 0
        for length in lengths:
            torch.manual_seed(0)
            reader = Reader(kind, directions, 2 * length if holds else 0, length)
            probe, weights = (
                torch.randint(SYMBOLS, (length, BATCH)),
                sum(p.numel() for p in reader.memories.parameters()),
            )
            before = reader.gradients(probe)
            accuracies.append(trained(reader, length, updates))
            curves[name] = before, reader.gradients(probe)
        seconds = perf_counter() - started
        rows.append([name, f"{weights:,}", *(f"{a:.2f}" for a in accuracies), f"{seconds:.0f}"])
        print(" | ".join(rows[-1]), flush=True)
    return rows, curves


def main() -> None:
    """Measure and print; write gradients.csv and gradients.png."""
    parser = argparse.ArgumentParser(description="Which sequence learners remember.")
    parser.add_argument("--out", type=Path, default=Path("docs"))
    parser.add_argument("--updates", type=int, default=300)
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    head = ["learner", "weights", *(f"T = {length}" for length in options.lengths), "seconds"]
    print(" | ".join(head))
    rows, curves = measure(options.lengths, options.updates)
    options.out.mkdir(parents=True, exist_ok=True)
    with (options.out / "gradients.csv").open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])
    draw(curves, options.out / "gradients.png")


if __name__ == "__main__":
    main()

"""Memories between torso and head: none, recurrent layers, self-attention over a window.

Legend: T time, B batch, F features, S numbers of a state, K frames of a window.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn


class MemoryOutput(NamedTuple):
    """Output of a memory for T time steps."""

    out: Tensor  # [T, B, F]
    state: Tensor  # [B, S] after the last time step
    attention: Tensor | None = None  # [T, B, K] attention weights of the last K frames, newest last


class Memory(Protocol):
    """Interface of a memory module."""

    size: int  # S

    def __call__(self, x: Tensor, first: Tensor, state: Tensor) -> MemoryOutput:
        """Process T time steps, starting from `state`.

        Args:
            x: float32 [T, B, F] features of T frames.
            first: bool [T, B] the frame begins an episode: the state is reset before it.
            state: [B, S] before the first frame; initially zeros.
        """


class NoMemory(nn.Module):
    """The control: returns the features unchanged."""

    size = 0

    def forward(self, x: Tensor, first: Tensor, state: Tensor) -> MemoryOutput:
        """See `Memory`."""
        return MemoryOutput(x, state)


CELLS: dict[str, Callable[[int, int], nn.RNNBase]] = {
    "rnn": nn.RNN,  # Elman 1990: h = tanh(W x + U h + b)
    "gru": nn.GRU,  # Cho et al. 2014
    "lstm": nn.LSTM,  # Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000
}


class Recurrent(nn.Module):
    """A recurrent layer of F units; its output is the hidden state.

    Args:
        kind: one of `CELLS`.
        width: F.
        span: time scale in steps of the gates at initialisation: biases log U(1, span - 1), the chrono initialisation
            of Tallec and Ollivier (2018). 0 for torch's default. Ignored by the plain layer, which has no gates.
    """

    def __init__(self, kind: str, width: int, span: int) -> None:
        super().__init__()
        self.layer, self.vectors = CELLS[kind](width, width), 2 if kind == "lstm" else 1
        self.size = self.vectors * width
        if span and kind != "rnn":
            _hold_on(self.layer, kind, width, span)

    def forward(self, x: Tensor, first: Tensor, state: Tensor) -> MemoryOutput:
        """See `Memory`; the state is h, or h and c."""
        keep, out = (~first).to(x.dtype).unsqueeze(-1), []
        begins = first[1:].any(1).nonzero().flatten().add(1).tolist()  # no episode begins between them
        for begin, end in pairwise([0, *begins, len(x)]):
            before = (state * keep[begin]).unsqueeze(0).chunk(self.vectors, dim=2)
            held = tuple(part.contiguous() for part in before)
            y, after = self.layer(x[begin:end], held if self.vectors == 2 else held[0])
            state = (torch.cat(after, 2) if self.vectors == 2 else after)[0]
            out.append(y)
        return MemoryOutput(torch.cat(out), state)


def _hold_on(layer: nn.RNNBase, kind: str, width: int, span: int) -> None:
    """Initialise the biases of the forget gates, and of the input gates of an LSTM."""
    bias = torch.log(torch.empty(width).uniform_(1.0, max(span - 1.0, 1.0)))
    weights = dict(layer.named_parameters())
    inputs, hidden = weights["bias_ih_l0"].data, weights["bias_hh_l0"].data  # the layer adds both
    keeps = slice(width, 2 * width)  # torch's order of gates: input, forget, cell, output; and reset, update, new
    hidden[keeps], inputs[keeps] = 0.0, bias
    if kind == "lstm":
        hidden[:width], inputs[:width] = 0.0, -bias


class Attention(nn.Module):
    """One layer of causal self-attention over the last K frames of the episode (Vaswani et al. 2017), one head.

    The state holds the normed features of the last K - 1 frames, and for each whether it is of this episode. Keys have
    learned relative positions. About 8 F^2 + K F weights, as many as an LSTM of F units (8 F^2).

    Args:
        width: F.
        window: K.
    """

    def __init__(self, width: int, window: int) -> None:
        super().__init__()
        self.width, self.window, self.size = width, window, (window - 1) * (width + 1)
        self.norm, self.norm_out = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value, self.merge = (nn.Linear(width, width) for _ in range(4))
        self.position = nn.Parameter(torch.randn(window, width) / math.sqrt(width))  # oldest first
        self.dense = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor, first: Tensor, state: Tensor) -> MemoryOutput:
        """See `Memory`."""
        batch, before = x.shape[1], self.window - 1
        past = state[:, : before * self.width].view(batch, before, self.width).transpose(0, 1)
        known = state[:, before * self.width :].t() > 0
        frames = torch.cat([past, self.norm(x)])  # [K - 1 + T, B, F]
        episode = torch.cumsum(first, 0)
        episodes = torch.cat([torch.where(known, 0, -1), episode])  # -1 for padding
        place = torch.arange(len(x), device=x.device).unsqueeze(-1) + torch.arange(self.window, device=x.device)
        seen = torch.zeros(len(x), len(frames), dtype=torch.bool, device=x.device).scatter_(1, place, True)
        seen = seen & (episodes.t().unsqueeze(1) == episode.t().unsqueeze(2))  # [B, T, K - 1 + T]

        query, key, value = (
            part.transpose(0, 1) for part in (self.query(frames[before:]), self.key(frames), self.value(frames))
        )
        place = place.expand(batch, -1, -1)  # [B, T, K] frames in each frame's window
        aged = torch.zeros_like(seen, dtype=x.dtype).scatter(2, place, query @ self.position.t())
        score = (query @ key.transpose(1, 2) + aged) / math.sqrt(self.width)
        weight = score.masked_fill(~seen, -math.inf).softmax(-1)
        y = x + self.merge(weight @ value).transpose(0, 1)
        out = y + self.dense(self.norm_out(y))

        same = (episodes == episode[-1])[len(x) :]  # newest K - 1 frames of the current episode
        window = torch.where(same.unsqueeze(-1), frames[len(x) :], 0.0)
        left = torch.cat([window.transpose(0, 1).flatten(1), same.t().to(x.dtype)], 1)
        return MemoryOutput(out, left, weight.detach().gather(2, place).transpose(0, 1))

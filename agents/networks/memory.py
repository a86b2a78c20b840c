"""What a network remembers of an episode, between its body and its head: nothing, a recurrent state, a window.

Legend: T time, B batch, F features, S numbers of a state, K frames of a window.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn


class Remembered(NamedTuple):
    """What a memory makes of T time steps."""

    out: Tensor  # [T, B, F]
    state: Tensor  # [B, S] behind the last of them
    attention: Tensor | None = None  # [T, B, K] what each of the last K frames weighed, the newest last


class Memory(Protocol):
    """A module between features and values."""

    size: int  # S

    def __call__(self, x: Tensor, first: Tensor, state: Tensor) -> Remembered:
        """Go on from a state.

        Args:
            x: float32 [T, B, F] features of T frames.
            first: bool [T, B] the frame begins an episode: nothing before it counts.
            state: [B, S] before the first of these frames; zeros where nothing has been seen.
        """


class NoMemory(nn.Module):
    """The control: features pass as they are."""

    size = 0

    def forward(self, x: Tensor, first: Tensor, state: Tensor) -> Remembered:
        """See `Memory`."""
        return Remembered(x, state)


CELLS: dict[str, tuple[Callable[[int, int], nn.RNNCellBase], int]] = {  # and how many vectors its state has
    "rnn": (nn.RNNCell, 1),  # Elman 1990: h = tanh(W x + U h + b)
    "gru": (nn.GRUCell, 1),  # Cho et al. 2014
    "lstm": (nn.LSTMCell, 2),  # Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000
}


class Recurrent(nn.Module):
    """A recurrent cell of F units: what it gives is its hidden state.

    Args:
        kind: one of `CELLS`.
        width: F.
        span: steps that gates hold on to what they have seen when training begins: biases log U(1, span - 1), the
            chrono initialisation of Tallec and Ollivier (2018). 0 leaves torch's own. A plain cell has no gates.
    """

    def __init__(self, kind: str, width: int, span: int) -> None:
        super().__init__()
        make, vectors = CELLS[kind]
        self.cell, self.width, self.size = make(width, width), width, vectors * width
        if span and kind != "rnn":
            _hold_on(self.cell, kind, width, span)

    def forward(self, x: Tensor, first: Tensor, state: Tensor) -> Remembered:
        """See `Memory`; the state is h, or h and c."""
        keep, out = (~first).to(x.dtype).unsqueeze(-1), []
        for x_t, keep_t in zip(x, keep, strict=True):
            before = (state * keep_t).split(self.width, dim=1)
            after = self.cell(x_t, before if len(before) == 2 else before[0])
            h_t, state = (after[0], torch.cat(after, 1)) if len(before) == 2 else (after, after)
            out.append(h_t)
        return Remembered(torch.stack(out), state)


def _hold_on(cell: nn.RNNCellBase, kind: str, width: int, span: int) -> None:
    """Biases of the gates that keep the state; of an LSTM also those that let something new in."""
    bias = torch.log(torch.empty(width).uniform_(1.0, max(span - 1.0, 1.0)))
    keeps = slice(width, 2 * width)  # torch's order of gates: input, forget, cell, output; and reset, update, new
    with torch.no_grad():
        cell.bias_hh[keeps] = 0.0
        cell.bias_ih[keeps] = bias
        if kind == "lstm":
            cell.bias_hh[:width] = 0.0
            cell.bias_ih[:width] = -bias


class Attention(nn.Module):
    """One layer of causal self-attention over the last K frames of the episode (Vaswani et al. 2017), one head.

    The state is a window of what the last K - 1 frames gave, and for each whether it is of this episode. A frame's key
    knows its age by a learned position. 8 F^2 + K F weights and a few: about as many as an LSTM of F units (8 F^2).

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

    def forward(self, x: Tensor, first: Tensor, state: Tensor) -> Remembered:
        """See `Memory`."""
        batch, before = x.shape[1], self.window - 1
        past = state[:, : before * self.width].view(batch, before, self.width).transpose(0, 1)
        known = state[:, before * self.width :].t() > 0
        frames = torch.cat([past, self.norm(x)])  # [K - 1 + T, B, F]
        episode = torch.cumsum(first, 0)
        episodes = torch.cat([torch.where(known, 0, -1), episode])  # -1 is nobody's: frames that never were
        seen = episodes.unfold(0, self.window, 1) == episode.unsqueeze(-1)  # [T, B, K]

        query = self.query(frames[before:])
        keys = self.key(frames).unfold(0, self.window, 1)  # [T, B, F, K]
        score = torch.einsum("tbf,tbfk->tbk", query, keys) + query @ self.position.t()
        weight = (score / math.sqrt(self.width)).masked_fill(~seen, -math.inf).softmax(-1)
        values = self.value(frames).unfold(0, self.window, 1)
        y = x + self.merge(torch.einsum("tbk,tbfk->tbf", weight, values))
        out = y + self.dense(self.norm_out(y))

        same = (episodes == episode[-1])[len(x) :]  # the newest K - 1 frames, if they are of the last one's episode
        window = torch.where(same.unsqueeze(-1), frames[len(x) :], 0.0)
        left = torch.cat([window.transpose(0, 1).flatten(1), same.t().to(x.dtype)], 1)
        return Remembered(out, left, weight)

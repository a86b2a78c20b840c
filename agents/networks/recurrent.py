"""A Q-network with a memory between its body and its head.

Legend: T time, B batch, P blocks a frame, D values a block, S numbers of a state, A actions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from agents.networks.memory import CELLS, Attention, Memory, NoMemory, Recurrent, Remembered
from agents.networks.q_network import NetworkSettings, QNetwork

MemoryKind = Literal["lstm", "gru", "rnn", "attention", "none"]
MEMORIES: tuple[MemoryKind, ...] = get_args(MemoryKind)


@dataclass(frozen=True, kw_only=True)
class MemoryNetworkSettings(NetworkSettings):
    """A body that sees one frame, a memory as wide as its features, a head."""

    stack: int = 1  # frames an observation holds; the memory has the others
    memory: MemoryKind = "lstm"
    span: int = 0  # steps that the gates of lstm and gru hold on to at first (chrono initialisation); 0: torch's own
    window: int = 16  # frames that attention looks back on, the newest included

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stack != 1:
            raise ValueError(f"network.stack is {self.stack}: a network with a memory sees 1 frame at a time")
        if self.head != "scalar" or self.noisy:
            raise ValueError(
                "sequences are learned by values and epsilon: use network.head scalar, and no network.noisy"
            )
        if self.span < 0 or self.window < 2:
            raise ValueError("network.span must be 0 or more, network.window 2 or more")


def make_memory(settings: MemoryNetworkSettings, width: int) -> Memory:
    """The memory that the settings name, for features of this width."""
    if settings.memory in CELLS:
        return Recurrent(settings.memory, width, settings.span)
    return Attention(width, settings.window) if settings.memory == "attention" else NoMemory()


class MemoryQNetwork(QNetwork):
    """Frames of T time steps and a state -> action values of all of them, and the state behind them."""

    def __init__(self, settings: MemoryNetworkSettings, frame_shape: tuple[int, ...], num_actions: int) -> None:
        super().__init__(settings, frame_shape, num_actions)
        self.memory: Any = make_memory(settings, self.width)

    def unroll(self, frames: Tensor, first: Tensor, state: Tensor) -> Remembered:
        """Action values of T time steps, float32 [T, B, A] as `out`; the memory computes in float32 always.

        Args:
            frames: [T, B, P, D] uint8 or float32.
            first: bool [T, B] where an episode begins.
            state: float32 [B, S] before the first of the frames.
        """
        time, batch = first.shape
        features = self.features(frames.flatten(0, 1).unsqueeze(2)).float()
        with torch.autocast(features.device.type, enabled=False):
            found: Remembered = self.memory(features.view(time, batch, -1), first, state)
        return found._replace(out=self.head_outputs(found.out.flatten(0, 1)).view(time, batch, -1))

    def start(self, batch: int) -> Tensor:
        """The state [B, S] of somebody who has seen nothing."""
        return torch.zeros(batch, self.memory.size, device=next(self.parameters()).device)

    def forward(self, obs: Tensor, noise: torch.Generator | None = None) -> Tensor:
        """Action values [B, A]; see `out`."""
        return self.out(obs)

    def out(self, obs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Action values [B, A] of obs [B, P, 1, D] that begin their episodes. `generator` is unused."""
        first = torch.ones(1, len(obs), dtype=torch.bool, device=obs.device)
        return self.unroll(obs[None, :, :, 0], first, self.start(len(obs))).out[0]

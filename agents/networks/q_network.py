"""Q-networks: a torso, dense layers with one or more outputs per action, and a head that defines their meaning.

Legend: B batch, P blocks a frame, K frames a stack, D values a block, A actions (see `agents.replay.frames`).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from agents.networks.body import Layers, convolutions, dense_of, perceptron
from agents.networks.custom_torso import CustomTorso
from agents.networks.heads import ValueHead
from agents.networks.implicit import ImplicitHead, Quantiles, TauEmbedding
from agents.networks.layers import compute_dtype
from agents.networks.settings import HEADS as HEADS
from agents.networks.settings import NetworkSettings as NetworkSettings
from agents.replay.frames import BLOCK
from training.entry import load_entry

TORSOS = {"impala": "agents.networks.impala:Impala"}  # built-in kinds that are constructed like a user's own network


class QNetwork(nn.Module):
    """Stack of frames [B, P, K, D] (uint8 pixels or float32 vectors) -> action values [B, A] float32.

    Attributes:
        noisy: acting can use weight noise.
        random: training passes need a generator.
    """

    def __init__(self, settings: NetworkSettings, frame_shape: tuple[int, ...], num_actions: int) -> None:
        super().__init__()
        self.pixels = len(frame_shape) > 1
        if ":" not in settings.kind and self.pixels == (settings.kind == "mlp"):
            wants = "dqn2013, dqn2015, stem or impala" if self.pixels else "mlp"
            raise ValueError(f"network.kind {settings.kind} does not fit frames of shape {frame_shape}: use {wants}")
        self.frame_shape, self.num_actions, self.stack = frame_shape, num_actions, settings.stack
        self.head: ValueHead = (HEADS.get(settings.head) or load_entry(settings.head))(settings)
        self.implicit = self.head if isinstance(self.head, ImplicitHead) else None  # needs taus as a second input
        self.noisy, self.random = settings.noisy, settings.noisy or self.implicit is not None
        entry = TORSOS.get(settings.kind, settings.kind)
        self.has_torso = ":" in entry
        self.body, self.width = self._torso(entry, settings.stack) if self.has_torso else self._layers(settings)
        dense = dense_of(settings)
        self.advantage = dense(self.width, self.num_actions * self.head.outputs)
        self.value = dense(self.width, self.head.outputs) if settings.dueling else None

    def _torso(self, entry: str, stack: int) -> tuple[Layers | CustomTorso, int]:
        torso = CustomTorso(entry, self.frame_shape, stack)
        return torso if self.implicit is None else Layers(torso, TauEmbedding(torso.features)), torso.features

    def _layers(self, settings: NetworkSettings) -> tuple[Layers, int]:
        make = convolutions if self.pixels else perceptron
        return make(settings, self.frame_shape, implicit=self.implicit is not None)

    def forward(self, obs: Tensor, noise: torch.Generator | None = None) -> Tensor:
        """Return action values of obs [B, P, K, D]; in bfloat16 under `torch.autocast`, else in float32.

        `noise` samples noisy weights; if None, they are their means. Taus are always the midpoints.
        """
        return self.head.q(self._outputs(obs, noise, self._taus(obs, None)))

    def out(self, obs: Tensor, generator: torch.Generator | None = None) -> Any:
        """Return the input of the head, float32: [B, A], or [B, A, Z] for a head with Z outputs per action.

        For an implicit head these are `Quantiles`. `generator`, on the device of obs, samples weight noise and taus.
        """
        return self._outputs(obs, generator, self._taus(obs, generator))

    def _taus(self, obs: Tensor, generator: torch.Generator | None) -> Tensor | None:
        return None if self.implicit is None else self.implicit.sample_taus(obs.shape[0], generator, obs.device)

    def _outputs(self, obs: Tensor, noise: torch.Generator | None, tau: Tensor | None) -> Any:
        return self.head_outputs(self.features(obs, noise, tau), noise, tau)

    def features(self, obs: Tensor, noise: torch.Generator | None = None, tau: Tensor | None = None) -> Tensor:
        """Return the features of obs [B, P, K, D]: [B, F] with F = `width`, or [B * N, F] for N taus."""
        x = obs if self.has_torso else self._laid_out(obs)
        features: Tensor = self.body(x, noise, tau) if isinstance(self.body, Layers) else self.body(x)
        return features

    def head_outputs(self, features: Tensor, noise: torch.Generator | None = None, tau: Tensor | None = None) -> Any:
        """Apply the output layers to features; see `out`."""
        features = features.float()
        with torch.autocast(features.device.type, enabled=False):  # bfloat16 would round action gaps away
            out: Tensor = self.advantage(features, noise)
            value: Tensor | None = None if self.value is None else self.value(features, noise)
        if self.head.outputs > 1:
            out = out.view(-1, self.num_actions, self.head.outputs)
        if value is not None:
            out = (value[:, None] if self.head.outputs > 1 else value) + out - out.mean(1, keepdim=True)
        if tau is None:
            return out
        return Quantiles(out.view(-1, tau.shape[1], self.num_actions).transpose(1, 2), tau)

    def _laid_out(self, obs: Tensor) -> Tensor:
        """Convert observations to the layout of our layers: images of blocks [B, C, H, W], or vectors."""
        if not self.pixels:
            return obs.flatten(1)
        rows, columns = (side // BLOCK for side in self.frame_shape[:2])
        return obs.view(-1, rows, columns, obs.shape[2] * obs.shape[3]).permute(0, 3, 1, 2).to(compute_dtype(obs))

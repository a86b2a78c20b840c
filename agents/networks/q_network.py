"""Q-networks: the lecture's table (2013), its 2015 successor, and a plain MLP.

Legend: B batch, P blocks a frame, K frames a stack, D values a block, A actions (see `agents.replay.frames`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from agents.networks.categorical import CategoricalHead
from agents.networks.heads import ScalarHead, ValueHead
from agents.networks.histogram import HistogramHead
from agents.networks.layers import BlockConv, Conv, Dense, FlattenNHWC, LayerNormNHWC, StemConv, computed_in
from agents.networks.own_torso import OwnTorso
from agents.networks.quantile import QuantileHead
from agents.replay.frames import BLOCK, colours_of
from training.entry import named
from training.settings import check_kinds

KINDS = ("dqn2013", "dqn2015", "stem", "impala", "mlp")
HEADS: dict[str, Callable[[NetworkSettings], ValueHead]] = {  # beside these, any "package.module:Class" of that kind
    "scalar": lambda settings: ScalarHead(),
    "categorical": lambda settings: CategoricalHead(settings.atoms, settings.value_min, settings.value_max),
    "histogram": lambda settings: HistogramHead(settings.atoms, settings.value_min, settings.value_max),
    "quantile": lambda settings: QuantileHead(settings.atoms),
}
# (channels, kernel, stride) of each convolution, then the hidden units of the dense layer.
CONVS: dict[str, tuple[tuple[tuple[int, int, int], ...], int]] = {
    "dqn2013": (((16, 8, 4), (32, 4, 2)), 256),  # Mnih et al. 2013, section 4.1
    "dqn2015": (((32, 8, 4), (64, 4, 2), (64, 3, 1)), 512),  # Mnih et al. 2015, Methods
    "stem": (((16, 3, 2), (24, 3, 2), (32, 3, 2), (32, 3, 1)), 256),  # small kernels from the first layer on
}


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """What stands between a stack of frames and one value per action."""

    kind: str = "dqn2013"  # one of KINDS, or "package.module:Class" (`agents.networks.own_torso`)
    stack: int = 4  # frames an observation holds
    layer_norm: bool = False  # after every hidden layer, before the ReLU
    dueling: bool = False  # Wang et al. 2016, equation 9
    hidden: int = 128  # units of each of the MLP's two layers; the convolutional kinds have their papers' own
    head: str = "scalar"  # one value an action, or categorical, quantile, histogram (`agents.networks`)
    atoms: int = 51  # numbers an action of these; of the first and last evenly from value_min to value_max
    value_min: float = -10.0
    value_max: float = 10.0

    def __post_init__(self) -> None:
        check_kinds(self, "network")
        if self.kind not in KINDS and ":" not in self.kind:
            raise ValueError(f'network.kind is {self.kind!r}: use one of {", ".join(KINDS)}, or "package.module:Class"')
        if self.stack < 1:
            raise ValueError(f"network.stack is {self.stack}: an observation holds at least 1 frame")
        if self.hidden < 1:
            raise ValueError(f"network.hidden is {self.hidden}: use 1 or more units")
        if self.head not in HEADS and ":" not in self.head:
            raise ValueError(f'network.head is {self.head!r}: use one of {", ".join(HEADS)}, or "package.module:Class"')
        if self.atoms < 2 or not self.value_min < self.value_max:
            raise ValueError("network.atoms must be 2 or more, network.value_min below value_max")


class QNetwork(nn.Module):
    """Stack of frames [B, P, K, D] (uint8 pixels or float32 vectors) -> action values [B, A] float32."""

    def __init__(self, settings: NetworkSettings, frame_shape: tuple[int, ...], num_actions: int) -> None:
        super().__init__()
        self.pixels = len(frame_shape) > 1
        own = ":" in settings.kind
        if not own and self.pixels == (settings.kind == "mlp"):
            wants = "dqn2013, dqn2015, stem or impala" if self.pixels else "mlp"
            raise ValueError(f"network.kind {settings.kind} does not fit frames of shape {frame_shape}: use {wants}")
        self.frame_shape, self.num_actions, self.stack = frame_shape, num_actions, settings.stack
        self.head: ValueHead = (HEADS.get(settings.head) or named(settings.head))(settings)
        own_kind = "agents.networks.impala:Impala" if settings.kind == "impala" else settings.kind
        self.body, self.width = self._own(own_kind, settings.stack) if ":" in own_kind else self._ours(settings)
        self.advantage = Dense(self.width, self.num_actions * self.head.outputs)
        self.value = Dense(self.width, self.head.outputs) if settings.dueling else None

    def _own(self, kind: str, stack: int) -> tuple[nn.Module, int]:
        torso = OwnTorso(kind, self.frame_shape, stack)
        return torso, torso.features

    def _ours(self, settings: NetworkSettings) -> tuple[nn.Module, int]:
        layers, features = self._convs(settings) if self.pixels else self._mlp(settings)
        return nn.Sequential(*layers), features

    def _convs(self, settings: NetworkSettings) -> tuple[list[nn.Module], int]:
        (height, width), channels = self.frame_shape[:2], settings.stack * max(colours_of(self.frame_shape), 1)
        convs, hidden = CONVS[settings.kind]
        layers: list[nn.Module] = []
        for index, (out, kernel, stride) in enumerate(convs):
            conv = Conv if index else BlockConv if stride == BLOCK else StemConv
            layers.append(conv(channels, out, kernel, stride))
            channels, height, width = out, (height - kernel) // stride + 1, (width - kernel) // stride + 1
            if min(height, width) < 1:
                raise ValueError(
                    f"frames of {self.frame_shape[0]}x{self.frame_shape[1]} are too small for network.kind "
                    f"{settings.kind}: scale them up, as in --image-size 84, or give a network of your own"
                )
            layers += [LayerNormNHWC(channels, height, width)] if settings.layer_norm else []
            layers.append(nn.ReLU())
        layers += [FlattenNHWC(), Dense(channels * height * width, hidden)]
        layers += [nn.LayerNorm(hidden)] if settings.layer_norm else []
        return [*layers, nn.ReLU()], hidden

    def _mlp(self, settings: NetworkSettings) -> tuple[list[nn.Module], int]:
        layers: list[nn.Module] = []
        width = math.prod(self.frame_shape) * settings.stack
        for _ in range(2):
            layers.append(Dense(width, settings.hidden))
            layers += [nn.LayerNorm(settings.hidden)] if settings.layer_norm else []
            layers.append(nn.ReLU())
            width = settings.hidden
        return layers, width

    def forward(self, obs: Tensor) -> Tensor:
        """Action values of obs [B, P, K, D]; runs in bfloat16 under `torch.autocast`, in float32 without."""
        return self.head.q(self.out(obs))

    def out(self, obs: Tensor) -> Tensor:
        """What the head makes values of, float32: [B, A], or [B, A, Z] where it takes Z numbers an action."""
        return self.judged(self.features(obs))

    def features(self, obs: Tensor) -> Tensor:
        """What the body sees in obs [B, P, K, D]: [B, F], F being `width`."""
        if isinstance(self.body, OwnTorso):
            x = obs
        elif self.pixels:
            rows, columns = (side // BLOCK for side in self.frame_shape[:2])
            x = obs.view(-1, rows, columns, obs.shape[2] * obs.shape[3]).permute(0, 3, 1, 2).to(computed_in(obs))
        else:
            x = obs.flatten(1)
        features: Tensor = self.body(x)
        return features

    def judged(self, features: Tensor) -> Tensor:
        """What the dense end makes of features [B, F]; see `out`."""
        out: Tensor = self.advantage(features).float()
        if self.head.outputs > 1:
            out = out.view(-1, self.num_actions, self.head.outputs)
        if self.value is not None:
            value: Tensor = self.value(features).float()
            out = (value[:, None] if self.head.outputs > 1 else value) + out - out.mean(1, keepdim=True)
        return out

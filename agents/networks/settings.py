"""Settings of `agents.networks.q_network`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agents.networks.categorical import CategoricalHead
from agents.networks.heads import ScalarHead, ValueHead
from agents.networks.histogram import HistogramHead
from agents.networks.implicit import ImplicitHead
from agents.networks.quantile import QuantileHead
from training.settings import check_kinds

KINDS = ("dqn2013", "dqn2015", "stem", "impala", "mlp")
HEADS: dict[str, Callable[[NetworkSettings], ValueHead]] = {  # or any "package.module:Class" of this type
    "scalar": lambda settings: ScalarHead(),
    "categorical": lambda settings: CategoricalHead(settings.atoms, settings.value_min, settings.value_max),
    "histogram": lambda settings: HistogramHead(settings.atoms, settings.value_min, settings.value_max),
    "quantile": lambda settings: QuantileHead(settings.atoms),
    "implicit": lambda settings: ImplicitHead(
        settings.tau_samples, settings.tau_samples_target, settings.tau_samples_acting
    ),
}


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """Architecture of a Q-network."""

    kind: str = "dqn2013"  # one of KINDS, or "package.module:Class" (`agents.networks.custom_torso`)
    stack: int = 4  # frames per observation
    layer_norm: bool = False  # after every hidden layer, before the ReLU
    layer_norm_convs: bool = True  # also after convolutions, where it costs most
    noisy: bool = False  # Gaussian noise in the dense layers instead of epsilon (`agents.networks.noisy`)
    dueling: bool = False  # Wang et al. 2016, equation 9
    hidden: int = 128  # units of each of the MLP's two layers; convolutional kinds have their papers' sizes
    head: str = "scalar"  # one value per action, or categorical, quantile, histogram, implicit (`agents.networks`)
    atoms: int = 51  # outputs per action of these; categorical and histogram from value_min to value_max
    value_min: float = -10.0
    value_max: float = 10.0
    tau_samples: int = 64  # taus per transition of implicit (N of Dabney et al. 2018)
    tau_samples_target: int = 64  # taus of its target network (N')
    tau_samples_acting: int = 32  # taus averaged for acting (K)

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
        for name in ("tau_samples", "tau_samples_target", "tau_samples_acting"):
            if getattr(self, name) < 1:
                raise ValueError(f"network.{name} is {getattr(self, name)}: use 1 or more")

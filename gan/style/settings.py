"""All settings of a style-based training; the fields of each section are documented where they are defined."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from gan.data.images import DataSettings
from gan.evaluation.scores import ScoreSettings
from gan.losses import LossSettings
from gan.settings import TrainingSettings, check_run, check_single
from gan.style.networks import StyleNetworkSettings


@dataclass(frozen=True, kw_only=True)
class StyleSettings:
    """One training of a style-based generator (Karras et al. 2019, arXiv:1812.04948; 2020, arXiv:1912.04958).

    Raises:
        ValueError: a setting is out of range, or not supported by this family.
    """

    family: ClassVar[str] = "gan.style.parts"  # module of its factories (`gan.parts`)
    seed: int = 0
    minutes: float = 1e9  # wall-clock limit, checked by the session
    mixing: float = 0.9  # probability that a training image mixes the styles of two latents
    data: DataSettings = field(default_factory=DataSettings)
    network: StyleNetworkSettings = field(default_factory=StyleNetworkSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    scores: ScoreSettings = field(default_factory=ScoreSettings)

    def __post_init__(self) -> None:
        check_run(self)
        check_single(self)
        if not 0 <= self.mixing <= 1:
            raise ValueError(f"mixing is {self.mixing}: a probability lies in 0..1")

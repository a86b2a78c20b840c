"""All settings of an upscaler's training; the fields of each section are documented where they are defined."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from gan.data.images import DataSettings
from gan.evaluation.scores import ScoreSettings
from gan.losses import LossSettings
from gan.settings import TrainingSettings, check_run, check_single
from gan.upscale.networks import UpscaleNetworkSettings

ErrorKind = Literal["absolute", "squared"]


@dataclass(frozen=True, kw_only=True)
class UpscaleLossSettings(LossSettings):
    """The generator's loss: the mean pixel error plus the adversarial loss."""

    error: ErrorKind = "absolute"
    """Mean error of pixels. Use squared if nearly all are right from the start: absolute gets stuck there."""
    adversarial: float = 0.01
    """Weight of the adversarial loss; 0 trains by the pixel error alone, without the discriminator."""
    alone: float = 0.5
    """Share of training by the pixel error alone, before the adversarial loss is added."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.adversarial < float("inf") or not 0 <= self.alone <= 1:
            raise ValueError("loss.adversarial must be 0 or more, loss.alone a share in 0..1")


@dataclass(frozen=True, kw_only=True)
class UpscaleSettings:
    """One training of an upscaler to twice the height and width (Ledig et al. 2017, arXiv:1609.04802).

    Raises:
        ValueError: a setting is out of range, or not supported by this family.
    """

    family: ClassVar[str] = "gan.upscale.parts"  # module of its factories (`gan.parts`)
    seed: int = 0
    minutes: float = 1e9  # wall-clock limit, checked by the session
    frames: int = 1  # T: frames of a clip, stacked vertically in each image; 1 for photographs
    crop: int = 48  # side of random square crops of training images; 0 for the largest that fits
    data: DataSettings = field(default_factory=lambda: DataSettings(source="photos"))
    network: UpscaleNetworkSettings = field(default_factory=UpscaleNetworkSettings)
    loss: UpscaleLossSettings = field(default_factory=UpscaleLossSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    scores: ScoreSettings = field(default_factory=ScoreSettings)

    def __post_init__(self) -> None:
        check_run(self)
        check_single(self)
        if self.frames < 1 or self.crop < 0 or self.crop % 2:
            raise ValueError(f"frames is {self.frames}, crop {self.crop}: give 1 or more, and an even side or 0")
        if 1 < self.frames < 5:
            raise ValueError(
                f"frames is {self.frames}: give 1, or 5 or more, since flicker is of frames behind the third"
            )
        if self.frames == 1 and (self.network.seen > 1 or self.network.previous):
            raise ValueError("network.seen and previous are of clips: leave them, or give frames above 1")
        if self.training.critic_steps != 1:
            raise ValueError(f"training.critic_steps is {self.training.critic_steps}: updates alternate, use 1")

"""All settings of a progressive training; the fields of each section are documented where they are defined."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

from gan.data.images import DataSettings
from gan.evaluation.scores import ScoreSettings
from gan.losses import LossSettings
from gan.progressive.growth import GrowthSettings
from gan.progressive.networks import ProgressiveNetworkSettings
from gan.settings import TrainingSettings, check_run, check_single


@dataclass(frozen=True, kw_only=True)
class ProgressiveSettings:
    """One training by progressive growing (Karras et al. 2018, arXiv:1710.10196).

    Raises:
        ValueError: a setting is out of range, or not supported by this family.
    """

    family: ClassVar[str] = "gan.progressive.parts"  # module of its factories (`gan.parts`)
    seed: int = 0
    minutes: float = 1e9  # wall-clock limit, checked by the session
    data: DataSettings = field(default_factory=DataSettings)
    network: ProgressiveNetworkSettings = field(default_factory=ProgressiveNetworkSettings)
    growth: GrowthSettings = field(default_factory=GrowthSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    scores: ScoreSettings = field(default_factory=ScoreSettings)

    def __post_init__(self) -> None:
        check_run(self)
        check_single(self)


def check_growth(settings: ProgressiveSettings) -> None:
    """Check that training outlasts the growth, and that every smaller size gets an update.

    Not checked by the settings themselves, since a file and the command line may change one after the other.

    Raises:
        ValueError: there are too few images.
    """
    growth, training = settings.growth, settings.training
    update = training.batch_size * training.critic_steps  # images
    whole = math.ceil(growth.images / update) * update  # seen before the first update at the whole size
    if whole >= training.images:
        raise ValueError(
            f"training.images is {training.images}, and the last size is whole after {growth.images}: "
            f"give more, {whole + 1} at least, or lower growth.stages, stable_images and fade_images"
        )
    size = growth.stable_images + growth.fade_images
    if growth.stages > 1 and size < update:
        raise ValueError(
            f"growth.stable_images and fade_images are {size} together, an update takes {update}: "
            "give as many or more, or use growth.stages 1"
        )

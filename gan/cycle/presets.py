"""Presets: functions that return settings, each deviation from the paper in a numbered line."""

from __future__ import annotations

from collections.abc import Callable

from gan.cycle.networks import CycleNetworkSettings
from gan.cycle.settings import CycleSettings, ReturnSettings
from gan.data.images import DataSettings
from gan.evaluation.scores import ScoreSettings
from gan.standard.losses import LossSettings
from gan.updates import TrainingSettings


def cycle_digits() -> CycleSettings:
    """MNIST's digits and scikit-learn's, as Zhu et al. (2017), section 4 and appendix."""
    return CycleSettings(
        minutes=20.0,
        network=CycleNetworkSettings(blocks=2),
        loss=LossSettings(kind="relativistic", penalty="r1r2", weight=0.1),
        held=ReturnSettings(cycle=10.0, identity=5.0, pool=50),
        training=TrainingSettings(
            images=200_000,
            batch_size=16,
            generator_rate=5e-4,
            discriminator_rate=5e-4,
            decay_from=0.5,
        ),
        scores=ScoreSettings(samples=350),
    )


def cycle_frames() -> CycleSettings:
    """Frames of Pong and the same game over stripes, of different episodes of random play."""
    return CycleSettings(
        minutes=20.0,
        second="striped",
        data=DataSettings(source="game:pong", size=84),
        network=CycleNetworkSettings(generator_width=32, blocks=2),
        loss=LossSettings(kind="relativistic", penalty="r1r2", weight=0.1),
        training=TrainingSettings(
            images=50_000,
            batch_size=16,
            generator_rate=5e-4,
            discriminator_rate=5e-4,
            decay_from=0.5,
        ),
        scores=ScoreSettings(samples=100, every_images=10_000),
    )


PRESETS: dict[str, Callable[[], CycleSettings]] = {"cycle-digits": cycle_digits, "cycle-frames": cycle_frames}

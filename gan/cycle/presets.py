"""Presets: functions that return settings, each deviation from the paper in a numbered line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gan.cycle.networks import CycleNetworkSettings
from gan.cycle.settings import ConsistencySettings, CycleSettings
from gan.data.images import DataSettings
from gan.evaluation.scores import ScoreSettings
from gan.losses import LossSettings
from gan.settings import TrainingSettings


def cycle_digits() -> CycleSettings:
    """MNIST's digits and scikit-learn's, trained as in Zhu et al. (2017), sections 3 and 4."""
    return CycleSettings(
        minutes=20.0,
        network=CycleNetworkSettings(
            blocks=2,  # 1. on squares of 4x4 pixels, without norms, starting as the identity; the paper has 9
        ),
        loss=LossSettings(
            kind="relativistic",  # 2. Huang et al. (2024) instead of least squares without a penalty
            penalty="r1r2",
            weight=0.02,
            every=4,
        ),
        held=ConsistencySettings(
            cycle=5.0,  # the paper has 10, and half of it for identity
            identity=2.0,
            noise=0.1,  # 3. Bashkirova et al. (2019): against information hidden in faint patterns
            meaning=1.0,  # 4. Hoffman et al. (2018): uses classes, by classifiers; the paper uses none
        ),
        training=TrainingSettings(
            images=40_000,  # 5. 20,000 of each domain; the paper has 200 epochs
            batch_size=8,  # 6. 4 of each domain; the paper has one
            generator_rate=1e-3,  # 7. five times the paper's rate, decayed to 0 over the second half
            discriminator_rate=1e-3,
            decay_from=0.5,
            average_images=2_000,  # 8. a moving average of the translators
        ),
        scores=ScoreSettings(samples=350, every_images=10_000),
    )


def cycle_frames() -> CycleSettings:
    """Frames of Pong, and of the same game over stripes, of different episodes of random play; deviations as above."""
    return replace(
        cycle_digits(),
        second="striped",
        data=DataSettings(source="game:pong", size=84),  # as in agents' observations
        network=CycleNetworkSettings(generator_width=32, blocks=2),
        loss=LossSettings(kind="relativistic", penalty="r1r2", weight=0.02, every=4),
        held=ConsistencySettings(cycle=20.0, identity=10.0, noise=0.05),
        training=TrainingSettings(
            images=24_000,
            batch_size=4,
            generator_rate=1e-3,
            discriminator_rate=1e-3,
            decay_from=0.5,
            average_images=300,
        ),
        scores=ScoreSettings(samples=100, every_images=6_000),
    )


PRESETS: dict[str, Callable[[], CycleSettings]] = {"cycle-digits": cycle_digits, "cycle-frames": cycle_frames}

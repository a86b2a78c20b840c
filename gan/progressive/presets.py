"""Presets: functions that return settings, each deviation from the paper in a numbered line."""

from __future__ import annotations

from collections.abc import Callable

from gan.losses import LossSettings
from gan.progressive.growth import GrowthSettings
from gan.progressive.networks import ProgressiveNetworkSettings
from gan.progressive.settings import ProgressiveSettings
from gan.settings import TrainingSettings


def progressive() -> ProgressiveSettings:
    """Digits at 7, 14, 28 pixels as in Karras et al. (2018); `--growth.stages 1` trains all layers from the start."""
    return ProgressiveSettings(
        minutes=20.0,
        network=ProgressiveNetworkSettings(
            generator_width=8,  # 1. one layer of kernel 4 doubles the side; the paper enlarges and has two
            discriminator_width=8,  # 2. and one halves it; no minibatch deviation as a feature: see line 5
            conditional=True,  # 3. class-conditional, as our `digits`
        ),
        growth=GrowthSettings(stable_images=60_000, fade_images=60_000),  # 4. the paper: 800,000 each
        loss=LossSettings(
            kind="relativistic",  # 5. Huang et al. (2024), whose penalties need the gradient of each image; the paper:
            penalty="r1r2",  # Wasserstein loss with gradient penalty
            weight=0.1,
        ),
        training=TrainingSettings(
            images=600_000,
            batch_size=64,
            generator_rate=1e-3,
            discriminator_rate=1e-3,
            decay_from=0.5,  # 6. decayed to 0 over the second half; the paper: constant, with a weight average
        ),
    )


PRESETS: dict[str, Callable[[], ProgressiveSettings]] = {"progressive": progressive}

"""Presets: functions that return settings, each deviation from the paper in a numbered line."""

from __future__ import annotations

from collections.abc import Callable

from gan.coupled.networks import CoupledNetworkSettings
from gan.coupled.settings import CoupledSettings
from gan.standard.losses import LossSettings
from gan.updates import TrainingSettings


def coupled() -> CoupledSettings:
    """Digits and their edges as in Liu and Tuzel (2016), section 4; `--second negatives` for its task B."""
    return CoupledSettings(
        minutes=20.0,
        network=CoupledNetworkSettings(
            generator_width=32,  # 1. the three layers of `digits`; the paper has five, of up to 1,024 channels
            discriminator_width=32,  # 2. their mirror; the paper has a variant of LeNet
        ),
        loss=LossSettings(
            kind="relativistic",  # 3. Huang et al. (2024), where the paper has Goodfellow's non-saturating loss
            penalty="r1r2",
            weight=0.1,
        ),
        training=TrainingSettings(
            images=1_200_000,  # 4. a fifth of the paper's 25,000 batches of 128 in each domain
            batch_size=128,  # 5. 64 of each domain
            generator_rate=1e-3,  # 6. five times the paper's rate, falling to 0 over the second half; no momentum
            discriminator_rate=1e-3,
            decay_from=0.5,
        ),
    )


PRESETS: dict[str, Callable[[], CoupledSettings]] = {"coupled": coupled}

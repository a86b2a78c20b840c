"""Presets: functions that return settings, each deviation from the paper in a numbered line."""

from __future__ import annotations

from collections.abc import Callable

from gan.coupled.networks import CoupledNetworkSettings
from gan.coupled.settings import CoupledSettings
from gan.losses import LossSettings
from gan.settings import TrainingSettings


def coupled() -> CoupledSettings:
    """Digits and their edges as in Liu and Tuzel (2016), section 4; `--second negatives` for its task B."""
    return CoupledSettings(
        minutes=20.0,
        network=CoupledNetworkSettings(
            generator_width=8,  # 1. five layers as in the paper, of 32 to 8 channels; the paper has 1,024 to 128
            discriminator_width=32,  # 2. two convolutions of 32 and 64 channels and 256 units; the paper has a variant
            discriminator_hidden=256,  # of LeNet with 20, 50 and 500
        ),
        loss=LossSettings(
            kind="relativistic",  # 3. Huang et al. (2024) instead of Goodfellow's non-saturating loss
            penalty="r1r2",
            weight=0.3,
        ),
        training=TrainingSettings(
            images=600_000,  # 4. 300,000 of each domain; the paper has 25,000 batches of 128
            batch_size=64,  # 5. 32 of each domain: twice the updates of 128 in the same time
            generator_rate=1e-3,  # 6. five times the paper's rate, decayed to 0 over the second half; no momentum
            discriminator_rate=1e-3,
            decay_from=0.5,
        ),
    )


PRESETS: dict[str, Callable[[], CoupledSettings]] = {"coupled": coupled}

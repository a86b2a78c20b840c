"""Presets: functions that return settings, each deviation from the papers in a numbered line."""

from __future__ import annotations

from collections.abc import Callable

from gan.standard.losses import LossSettings
from gan.style.networks import StyleNetworkSettings
from gan.style.settings import StyleSettings
from gan.updates import TrainingSettings


def style() -> StyleSettings:
    """Digits by styles as Karras et al. (2019) draw faces, with the layers of their second paper (2020), section 2."""
    return StyleSettings(
        minutes=20.0,
        mixing=0.9,
        network=StyleNetworkSettings(
            latent=64,  # 1. the papers: 512 for z and w, eight layers between them
            style=64,
            mapping_layers=4,
            mapping_rate=0.1,  # 2. the papers: 0.01, over forty times as many images
            generator_width=16,  # 3. 64 channels at 7x7 to 16 at 28x28; kernels of 4 double the side, tanh at the end
            discriminator_width=32,  # 4. that of `digits`, without residual blocks or a deviation of the batch
        ),
        loss=LossSettings(
            kind="relativistic",  # 5. Huang et al. (2024), as `digits`; the papers: non-saturating, R1, path lengths
            penalty="r1r2",
            weight=0.1,
        ),
        training=TrainingSettings(
            images=600_000,  # 6. the papers: 25 million
            batch_size=64,
            # 7. the papers: 2e-3 for both, which stays; here it falls to 0 over the second half. Twice and four times
            # as much drew less variety at 60,000 images
            generator_rate=3e-3,
            discriminator_rate=1e-3,
            decay_from=0.5,
        ),
    )


PRESETS: dict[str, Callable[[], StyleSettings]] = {"style": style}

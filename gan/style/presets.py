"""Presets: functions that return settings, each deviation from the papers in a numbered line."""

from __future__ import annotations

from collections.abc import Callable

from gan.losses import LossSettings
from gan.settings import TrainingSettings
from gan.style.networks import StyleNetworkSettings
from gan.style.settings import StyleSettings


def style() -> StyleSettings:
    """Digits with the generator of Karras et al. (2019) and the layers of their second paper (2020, section 2)."""
    return StyleSettings(
        minutes=30.0,
        mixing=0.5,  # 1. the papers: 0.9; 0.5 and 0 have a lower distance at 60,000 images
        network=StyleNetworkSettings(
            latent=64,  # 2. the papers: 512 for z and w, eight layers between them
            style=64,
            mapping_layers=4,
            mapping_rate=0.1,  # 3. the papers: 0.01, over forty times as many images
            # 4. 128 channels at 7x7 to 32 at 28x28; kernels of 4 double the side; layers to pixels
            # have no style; tanh at the end
            generator_width=32,
            discriminator_width=32,  # 5. that of `stacked`, without residual blocks or minibatch deviation
            discriminator_hidden=256,
        ),
        loss=LossSettings(
            kind="relativistic",  # 6. Huang et al. (2024), as `digits`; the papers: non-saturating, R1, path lengths
            penalty="r1r2",
            weight=0.3,
        ),
        training=TrainingSettings(
            images=300_000,  # 7. the papers: 25 million
            batch_size=64,
            # 8. the papers: constant 2e-3 for both; here decayed to 0 over the second half
            generator_rate=3e-3,
            discriminator_rate=1e-3,
            decay_from=0.5,
        ),
    )


PRESETS: dict[str, Callable[[], StyleSettings]] = {"style": style}

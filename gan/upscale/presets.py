"""Presets: functions that return settings, each deviation from the paper in a numbered line."""

from __future__ import annotations

from collections.abc import Callable

from gan.data.images import DataSettings
from gan.evaluation.scores import ScoreSettings
from gan.settings import TrainingSettings
from gan.upscale.networks import UpscaleNetworkSettings
from gan.upscale.settings import UpscaleLossSettings, UpscaleSettings


def upscale_photos() -> UpscaleSettings:
    """Photographs to twice the side (SRGAN, Ledig et al. 2017); `--loss.adversarial 0` is their SRResNet."""
    return UpscaleSettings(
        minutes=20.0,
        crop=48,  # 1. the paper: 96 pixels, and four times the height and width
        network=UpscaleNetworkSettings(
            width=24,  # 2. 5 blocks of 24 channels without batch norm (Lim et al. 2017); the paper: 16 of 64
            blocks=5,  # 3. their output is added to the bicubic image
            discriminator_width=24,  # 4. three convolutions; the paper: eight with batch norm
        ),
        loss=UpscaleLossSettings(
            kind="relativistic",  # 5. Huang et al. (2024) with both penalties, each image paired with its enlargement
            penalty="r1r2",
            weight=0.1,
            adversarial=0.01,  # 6. added to the mean absolute error: no pretrained network for a perceptual loss
            alone=0.5,
        ),
        training=TrainingSettings(
            images=32_000,  # 7. 2,000 updates of 16 crops; the paper: 1,000,000 and 200,000 of 16
            batch_size=16,
            generator_rate=1e-3,  # 8. ten times the paper's rate, decayed to 0 over the second half
            discriminator_rate=1e-3,
            beta1=0.9,
            decay_from=0.5,
            average_images=2_000,
        ),
        scores=ScoreSettings(every_images=8_000),
    )


def upscale_frames() -> UpscaleSettings:
    """Frames of a game from jittered samples of the last four frames and the last output, similar to DLSS 2.0.

    Motion vectors and depth, which a game engine provides, are not available. Frames of these games need no invented
    detail, so the discriminator is not trained unless `loss.adversarial` is above 0.
    """
    return UpscaleSettings(
        minutes=20.0,
        frames=8,
        crop=48,
        data=DataSettings(source="clips:pong"),
        network=UpscaleNetworkSettings(width=16, blocks=3, seen=4, previous=True),
        loss=UpscaleLossSettings(error="squared", adversarial=0.0, weight=0.1),
        training=TrainingSettings(
            images=48_000, batch_size=8, generator_rate=1e-3, beta1=0.9, decay_from=0.5, average_images=200
        ),
        scores=ScoreSettings(every_images=8_000),
    )


PRESETS: dict[str, Callable[[], UpscaleSettings]] = {
    "upscale-photos": upscale_photos,
    "upscale-frames": upscale_frames,
}

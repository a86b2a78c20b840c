"""Presets: functions that return settings, each deviation from its paper in a numbered line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gan.data.images import DataSettings
from gan.evaluation.scores import ScoreSettings
from gan.losses import LossSettings
from gan.settings import TrainingSettings
from gan.standard.networks import NetworkSettings
from gan.standard.settings import GanSettings


def digits() -> GanSettings:
    """Handwritten digits in minutes on two CPU cores: DCGAN's networks with the loss of Huang et al. (2024)."""
    return GanSettings(
        minutes=8.5,
        network=NetworkSettings(
            conditional=True,  # 1. class-conditional (Miyato and Koyama 2018): lower distance at equal images
        ),
        loss=LossSettings(
            kind="relativistic",
            penalty="r1r2",
            weight=0.1,  # with 1.0 the discriminator learns nothing
        ),
        training=TrainingSettings(
            images=600_000,
            batch_size=64,
            generator_rate=1e-3,  # 2. five times the usual rate, decayed to 0 over the second half
            discriminator_rate=1e-3,
            decay_from=0.5,
        ),
    )


def fashion() -> GanSettings:
    """Fashion-MNIST, 70,000 pictures of clothes; requires Debian's dataset-fashion-mnist."""
    return replace(digits(), data=DataSettings(source="fashion"), scores=ScoreSettings(samples=5_000))


def stacked() -> GanSettings:
    """Stacked digits, three as one RGB image: coverage of 1,000 modes (Metz et al. 2017, 26,000 samples)."""
    return replace(
        digits(),
        minutes=30.0,
        data=DataSettings(source="digits", stack=3),
        network=NetworkSettings(
            discriminator_hidden=256,  # a dense layer combines the three digits: more modes at equal images
        ),
        loss=replace(digits().loss, weight=0.3),  # with that layer, 0.1 doubles the distance
        training=replace(digits().training, images=800_000),
        scores=ScoreSettings(samples=26_000, every_images=200_000),
    )


def attention() -> GanSettings:
    """Self-attention (Zhang et al. 2019) for distant consistency: two different digits of one class per canvas."""
    return replace(
        digits(),
        minutes=20.0,
        data=DataSettings(source="digits", size=14, beside=2),  # canvases of 16x32 pixels
        network=NetworkSettings(
            # 1. DCGAN's layers instead of residual blocks of 64 channels and more
            generator_norm="batch",  # 2. no spectral norm, which the paper has in both: penalties bound gradients
            attention=True,
            block_halvings=2,  # 3. at 4x8 places, whose receptive field covers a digit; the paper: 32x32 of 128x128
        ),  # 4. unconditional; 5. loss and rates of digits instead of hinge, 1e-4 and 4e-4
        training=replace(digits().training, images=400_000),
    )


def original() -> GanSettings:
    """The GAN of Goodfellow et al. (2014): two MLPs."""
    return GanSettings(
        minutes=9.0,
        network=NetworkSettings(
            kind="mlp",
            latent=100,
            generator_width=1_200,
            discriminator_width=240,  # 1. leaky ReLU instead of maxout and dropout
            generator_norm="none",
        ),  # 2. normal latents instead of uniform ones, tanh at the end
        loss=LossSettings(kind="nonsaturating", penalty="none"),  # section 3; kind minimax is equation 1
        # 3. Adam instead of momentum; evaluated with averaged weights
        training=TrainingSettings(batch_size=100, beta1=0.5, beta2=0.999),
    )


def dcgan() -> GanSettings:
    """DCGAN as in Radford et al. (2016), with batch norm in both networks."""
    return GanSettings(
        minutes=9.0,
        # 1. torch's initialisation instead of N(0, 0.02); 2. normal latents instead of uniform; 3. evaluated with
        # averaged weights
        network=NetworkSettings(latent=100, generator_width=64, discriminator_width=64, discriminator_norm="batch"),
        loss=LossSettings(kind="nonsaturating", penalty="none"),
        training=TrainingSettings(batch_size=128, beta1=0.5, beta2=0.999),
    )


def frames() -> GanSettings:
    """Frames of an Atari game, 64x64: rendered on the command line, or from an npz archive (`--data.source FILE`)."""
    data = DataSettings(source="game:space_invaders")
    return replace(digits(), data=data, network=NetworkSettings())


def own() -> GanSettings:
    """A user's own images, `--data.source PATH`: an npz file, a folder of pictures or of IDX files."""
    return replace(digits(), data=DataSettings(source="images", size=32), network=NetworkSettings())


PRESETS: dict[str, Callable[[], GanSettings]] = {
    "digits": digits,
    "fashion": fashion,
    "stacked": stacked,
    "attention": attention,
    "original": original,
    "dcgan": dcgan,
    "frames": frames,
    "own": own,
}

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
            conditional=True,  # 1. classes (Miyato and Koyama 2018): nearer at equal images
        ),
        loss=LossSettings(
            kind="relativistic",
            penalty="r1r2",
            weight=0.1,  # 1.0 leaves the discriminator nothing to say
        ),
        training=TrainingSettings(
            images=600_000,
            batch_size=64,
            generator_rate=1e-3,  # 2. five times the usual rate, falling to 0 over the second half
            discriminator_rate=1e-3,
            decay_from=0.5,
        ),
    )


def fashion() -> GanSettings:
    """Fashion-MNIST, 70,000 pictures of clothes, where Debian's dataset-fashion-mnist is installed."""
    return replace(digits(), data=DataSettings(source="fashion"), scores=ScoreSettings(samples=5_000))


def stacked() -> GanSettings:
    """Three digits as one RGB image, 1,000 modes: does a generator find them all? (Metz et al. 2017, 26,000 samples)"""
    return replace(
        digits(),
        minutes=30.0,
        data=DataSettings(source="digits", stack=3),
        network=NetworkSettings(
            discriminator_hidden=256,  # a dense layer sees all three digits at once: more modes at equal images
        ),
        loss=replace(digits().loss, weight=0.3),  # with that layer 0.1 is too light: twice as far from the data
        training=replace(digits().training, images=800_000),
        scores=ScoreSettings(samples=26_000, every_images=200_000),
    )


def attention() -> GanSettings:
    """Self-attention (Zhang et al. 2019) where far places must agree: two different digits of one class a canvas."""
    return replace(
        digits(),
        minutes=20.0,
        data=DataSettings(source="digits", size=14, beside=2),  # canvases of 16x32 pixels
        network=NetworkSettings(
            # 1. DCGAN's layers, where the paper has residual blocks of 64 channels and more
            generator_norm="batch",  # 2. no spectral norm: the penalties bound slopes; the paper has it in both
            attention=True,
            block_halvings=2,  # 3. at 4x8 places, each of which has seen most of a digit; the paper: 32x32 of 128x128
        ),  # 4. nobody is told classes; 5. loss and rates as in digits, where the paper has hinge, 1e-4 and 4e-4
        training=replace(digits().training, images=400_000),
    )


def original() -> GanSettings:
    """The GAN of Goodfellow et al. (2014): two MLPs, the discriminator's error through both."""
    return GanSettings(
        minutes=9.0,
        network=NetworkSettings(
            kind="mlp",
            latent=100,
            generator_width=1_200,
            discriminator_width=240,  # 1. leaky ReLU where the paper has maxout and dropout
            generator_norm="none",
        ),  # 2. normal latents instead of uniform ones, tanh at the end
        loss=LossSettings(kind="nonsaturating", penalty="none"),  # section 3; kind minimax is equation 1 itself
        # 3. Adam instead of momentum; judged by averaged weights
        training=TrainingSettings(batch_size=100, beta1=0.5, beta2=0.999),
    )


def dcgan() -> GanSettings:
    """The control: DCGAN as Radford et al. (2016) trained it, batch norm in both networks."""
    return GanSettings(
        minutes=9.0,
        # 1. weights begin as torch's layers do, theirs as N(0, 0.02); 2. normal latents, theirs uniform; 3. judged by
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

"""Factories of the upscaling family; see `gan.parts`."""

from __future__ import annotations

from pathlib import Path

from gan.data.images import Images, Part
from gan.evaluation.scores import Scores
from gan.shapes import Shape
from gan.space import SEARCH as STANDARD
from gan.space import around
from gan.standard.parts import beside as beside
from gan.standard.parts import pictures as pictures
from gan.upscale.networks import Upscaler
from gan.upscale.pictures import compared
from gan.upscale.scores import UpscaleJudge, extractor_of
from gan.upscale.settings import UpscaleSettings
from gan.upscale.trainer import UpscaleTrainer

SETTINGS = UpscaleSettings
KINDS = ("psnr", "ssim", "sharpness")
COLUMNS = ("fd_clf", "fd_floor", "fd_bicubic", *(f"{kind}{of}" for kind in KINDS for of in ("", "_bicubic")), "flicker")
CHARTS = {
    "The story": {
        "Distance from real images (fd_clf), select part": ["select/fd_clf", "select/fd_bicubic"],
        "Signal to noise, dB": ["select/psnr", "select/psnr_bicubic"],
        "Structural similarity": ["select/ssim", "select/ssim_bicubic"],
        "Sharpness, true images 1": ["select/sharpness", "select/sharpness_bicubic"],
        "Losses": ["training/pixel_loss", "training/discriminator_loss", "training/generator_loss"],
        "Images/s": ["run/images_per_second", "throughput/run"],
    }
}
SEARCH = STANDARD._replace(
    metric=STANDARD.metric._replace(beside=("fd_floor", "fd_bicubic", *KINDS)),
    spaces=lambda settings: {"learning": around(settings, penalised=settings.loss.adversarial > 0)},
    fixed=(*STANDARD.fixed, "frames"),
)
make_trainer = UpscaleTrainer
grid = compared


def make_generator(settings: UpscaleSettings, shape: Shape, classes: int) -> Upscaler:
    """Create an untrained generator, which is unconditional."""
    return Upscaler(settings.network, shape, settings.frames)


def make_judge(settings: UpscaleSettings, data: Images, cache: Path, part: Part) -> UpscaleJudge:
    """Create a scorer with the classifier of the data's patches."""
    return UpscaleJudge(settings, data, extractor_of(settings, data, cache), part)


def summary_line(scores: Scores) -> str:
    """Return PSNR, SSIM, sharpness and distance, each next to that of bicubic upscaling."""
    known = [(kind, f"{kind}_bicubic") for kind in KINDS] + [("fd_clf", "fd_bicubic")]
    return ", ".join(f"{name} {scores[name]:.3f} (bicubic {scores[other]:.3f})" for name, other in known)

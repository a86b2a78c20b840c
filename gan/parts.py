"""What a family of GANs is made of. Its run, its export and its pictures ask the settings for it and name no family."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from gan.data.images import Images, Part, Pixels
from gan.evaluation.scores import Scores
from training.search import Searchable


class Generator(Protocol):
    """What images are drawn with: an `nn.Module`; latents [B, Z] and classes [B], if it is told any, in.

    Where Z is 0, images come in instead, and the scorer has them.
    """

    latent: int  # Z
    normalised: bool  # whether a latent is divided by its length first: shrunk ones would give the same images
    embedding: nn.Embedding | None  # of classes; None for one that is not told any
    training: bool

    def __call__(self, given: Tensor, label: Any, /) -> Any: ...
    def parameters(self) -> Iterator[nn.Parameter]: ...
    def train(self, mode: bool = True) -> Any: ...
    def eval(self) -> Any: ...


class Trainer(Protocol):
    """Networks, optimisers and every source of chance; its loop is its own."""

    settings: Any  # with the fields of `gan.standard.settings.GanSettings`, but for `network` and `loss`
    data: Images
    images: int  # real images that were learned from; `training.batch_size` a discriminator update
    average: Any  # the averaged generator, a module that is a `Generator`

    def train(self, steps: int) -> dict[str, float]:
        """`steps` generator updates -> the last losses; FloatingPointError where training has diverged."""

    def state(self) -> dict[str, Any]:
        """What `load_state` needs to go on bit for bit."""

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on where another trainer stopped, with one's own settings; ValueError where networks or data differ."""


class Scorer(Protocol):
    """Scores of generated images against one held-out part."""

    count: int  # images it wants

    def score(self, fake: Pixels) -> Scores:
        """`fd_clf`, by which the best generator is kept and sweeps rank, `fd_floor`, and what the family has beside."""

    def reporting(self) -> Scorer:
        """The scorer of the report part."""


class ImageScorer(Scorer, Protocol):
    """A scorer of generators that are given images instead of noise."""

    def answers(self, generator: Any) -> Pixels:
        """What the generator makes of the scorer's own images, for `score`."""


class Parts(Protocol):
    """A module of functions, as `gan.standard.parts`. `settings` are those of the family."""

    SETTINGS: type[Any]
    COLUMNS: tuple[str, ...]  # of curve.csv, behind the seconds and the images; `fd_clf` and `fd_floor` among them
    CHARTS: dict[str, dict[str, list[str]]]  # of TensorBoard's first tab
    SEARCH: Searchable  # what sweeps search; its `valid` is asked of every training, too

    def make_trainer(self, settings: Any, data: Images) -> Trainer: ...

    def make_generator(self, settings: Any, shape: tuple[int, int, int], classes: int) -> nn.Module:
        """An untrained one with the weights' names and shapes of a trainer's `average`."""

    def make_judge(self, settings: Any, data: Images, cache: Path, part: Part) -> Scorer:
        """What judges generators; `cache` keeps classifiers."""

    def stock(self, settings: Any, data: Images) -> Pixels:
        """Training images [N, C, H, W] that samples are shown beside; only asked of families that draw from noise."""

    def grid(self, generator: Generator, seed: int = 0) -> NDArray[np.uint8]:
        """A picture [H, W, 3] of samples on noise that depends on the seed alone."""

    def beside(self, generator: Generator, judge: Scorer) -> Scores:
        """Scores for the report that need the generator itself, not only its images; {} for most families."""

    def pictures(self, generator: Generator) -> dict[str, tuple[NDArray[np.uint8], str]]:
        """Closing pictures [H, W, 3] of the family's own with what they show, by the name of the file; often {}."""

    def summary_line(self, scores: Scores) -> str:
        """The scores that matter most, in a line."""


def parts_of(settings: Any) -> Parts:
    """The module that `settings.family` names."""
    return cast(Parts, import_module(settings.family))


def parts_named(name: str) -> Parts:
    """The module of one of our families, "gan.standard.parts". Names come from files of others: no other is imported.

    Raises:
        ValueError: it is none of ours.
    """
    if not re.fullmatch(r"gan\.\w+\.parts", name):
        raise ValueError(f"{name!r} is no family of ours")
    return cast(Parts, import_module(name))

"""Interfaces of a family of GANs, so that runs, exports and pictures work with any family."""

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
    """A generator: an `nn.Module` that maps latents [B, Z], and classes [B] if conditional, to images.

    If Z is 0, it maps images of the scorer instead.
    """

    latent: int  # Z
    normalised: bool  # whether latents are normalised, so that truncation has no effect
    embedding: nn.Embedding | None  # of classes; None if unconditional
    training: bool

    def __call__(self, given: Tensor, label: Any, /) -> Any: ...
    def parameters(self) -> Iterator[nn.Parameter]: ...
    def train(self, mode: bool = True) -> Any: ...
    def eval(self) -> Any: ...


class Trainer(Protocol):
    """Networks, optimisers and random generators of a training, and its loop."""

    settings: Any  # with the fields of `gan.standard.settings.GanSettings` except `network` and `loss`
    data: Images
    images: int  # real images seen; `training.batch_size` per discriminator update
    average: Any  # the averaged generator, a module that is a `Generator`

    def train(self, steps: int) -> dict[str, float]:
        """Do `steps` generator updates; return the last losses. FloatingPointError if training has diverged."""

    def state(self) -> dict[str, Any]:
        """Return everything that `load_state` needs to resume bit for bit."""

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore `state` with this trainer's settings; ValueError if networks or data differ."""


class Scorer(Protocol):
    """Scores generated images against a held-out part."""

    count: int  # number of images to score

    def score(self, fake: Pixels) -> Scores:
        """Return `fd_clf` (for selection and sweeps), `fd_floor`, and other scores of the family."""

    def reporting(self) -> Scorer:
        """Return the scorer of the report part."""


class ImageScorer(Scorer, Protocol):
    """A scorer of generators that map images instead of noise."""

    def answers(self, generator: Any) -> Pixels:
        """Map the scorer's images by the generator, for `score`."""


class Parts(Protocol):
    """A module of functions, such as `gan.standard.parts`; `settings` are those of the family."""

    SETTINGS: type[Any]
    COLUMNS: tuple[str, ...]  # of curve.csv, after seconds and images; include `fd_clf` and `fd_floor`
    CHARTS: dict[str, dict[str, list[str]]]  # TensorBoard layout
    SEARCH: Searchable  # for sweeps; `valid` also checks every training

    def make_trainer(self, settings: Any, data: Images) -> Trainer: ...

    def make_generator(self, settings: Any, shape: tuple[int, int, int], classes: int) -> nn.Module:
        """Create an untrained generator of the same architecture as a trainer's `average`."""

    def make_judge(self, settings: Any, data: Images, cache: Path, part: Part) -> Scorer:
        """Create a scorer; `cache` is the folder of classifiers."""

    def stock(self, settings: Any, data: Images) -> Pixels:
        """Return training images [N, C, H, W] to show next to samples; only for families with noise."""

    def grid(self, generator: Generator, seed: int = 0) -> NDArray[np.uint8]:
        """Return a picture [H, W, 3] of samples with noise of a fixed seed."""

    def beside(self, generator: Generator, judge: Scorer) -> Scores:
        """Return scores for the report that need the generator itself; {} for most families."""

    def pictures(self, generator: Generator) -> dict[str, tuple[NDArray[np.uint8], str]]:
        """Return closing pictures [H, W, 3] with descriptions, by file name; often {}."""

    def summary_line(self, scores: Scores) -> str:
        """Return the main scores as one line."""


def parts_of(settings: Any) -> Parts:
    """Import the module named by `settings.family`."""
    return cast(Parts, import_module(settings.family))


def parts_named(name: str) -> Parts:
    """Import the module of a built-in family, such as "gan.standard.parts"; names from files must not import others.

    Raises:
        ValueError: it is no built-in family.
    """
    if not re.fullmatch(r"gan\.\w+\.parts", name):
        raise ValueError(f"{name!r} is no family of ours")
    return cast(Parts, import_module(name))

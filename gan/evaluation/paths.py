"""Perceptual path length of a generator's latent space. Legend: N paths, F features."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from gan.evaluation.features import Classifier
from gan.samples.pictures import great_circle
from gan.samples.sampling import classes

STEP = 1e-4  # epsilon: distance of the compared points as a share of the path
CHUNK = 250  # paths per batch
M = TypeVar("M", bound=nn.Module)
Between = Callable[[Tensor, Tensor, Tensor], Tensor]  # starts [N, Z], ends [N, Z] and shares [N, 1] -> points [N, Z]


def straight(start: Tensor, end: Tensor, share: Tensor) -> Tensor:
    """Interpolate linearly."""
    return torch.lerp(start, end, share)


def in_float64(network: M) -> M:
    """Return a float64 copy, since a step of 1e-4 is close to the rounding of float32."""
    return copy.deepcopy(network).cpu().double().eval()


@torch.no_grad()
def path_length(seen: Callable[[Tensor], Tensor], start: Tensor, end: Tensor, share: Tensor, between: Between) -> float:
    """Return the mean of ||f(x(t)) - f(x(t + epsilon))||^2 / epsilon^2 over paths from `start` to `end` at `share` t.

    Perceptual path length (Karras et al. 2019, section 4.1, the full one), with our classifier's features
    instead of VGG's. `seen` takes points float64 [N, Z] to features [N, F];
    start and end are [N, Z], share is [N, 1] in 0..1.
    """
    lengths = []
    for rows in torch.split(torch.arange(len(start)), CHUNK):
        first, last, at = start[rows], end[rows], share[rows]
        moved = seen(between(first, last, at + STEP)) - seen(between(first, last, at))
        lengths.append((moved / STEP).square().sum(1))
    return float(torch.cat(lengths).mean())


def paths_of(generator: Any, classifier: Classifier, paths: int, seed: int) -> dict[str, float]:
    """Return `path_z` of a generator, and `path_w` if it has a mapping network.

    Both use the same pairs of latents and the same shares, along great circles in Z and straight lines in W. For
    conditional generators both ends of a path have the same class, each class in turn.
    """
    network, judge = in_float64(generator), in_float64(classifier)
    rng = torch.Generator().manual_seed(seed)
    start, end = (torch.randn(paths, generator.latent, generator=rng, dtype=torch.float64) for _ in range(2))
    share = torch.rand(paths, 1, generator=rng, dtype=torch.float64)

    def of(draw: Callable[[Tensor, Tensor | None], Tensor], points: Tensor) -> Tensor:
        return judge.features(draw(points, classes(network, len(points))).double().clamp(-1, 1))

    found = {"path_z": path_length(partial(of, network), start, end, share, great_circle)}
    if hasattr(network, "mapping"):
        with torch.no_grad():
            ends = network.mapping(start), network.mapping(end)
        found["path_w"] = path_length(partial(of, network.synthesis), *ends, share, straight)
    return found

"""Directions in latent space that change one measured attribute and no other.

Legend: N latents of size S (z, or w with a mapping network), A attributes, M starts, T steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gan.data.images import Pixels
from gan.evaluation.attributes import MEASURES
from gan.evaluation.features import Extractor
from gan.evaluation.metrics import Array
from gan.samples import sampling
from gan.samples.pictures import grid
from training.storage.curve import save_figure, subplots

LATENTS, HELD_OUT, STARTS = 3_000, 1_000, 100  # for the fit, its evaluation, and the walks
STEPS = np.linspace(-2, 2, 9)  # in standard deviations of the latents
KEPT = 1e-4  # share of the largest variance below which axes are noise
CLASS = "class "
SEED = 10  # of the first latents
Draw = Callable[[Array], Pixels]  # latents [N, S] -> images
Measure = Callable[[Pixels], Array]  # images -> attributes [N, A]


@dataclass(frozen=True, eq=False)
class Directions:
    """A direction per attribute, as rows of `steps`: the change of a latent for one standard deviation."""

    names: tuple[str, ...]
    steps: Array  # [A, S]
    fit: Array  # [A]: share of an attribute's variance in held-out images that is linear in the latents


def find(names: tuple[str, ...], latents: Array, attributes: Array, held_out: tuple[Array, Array]) -> Directions:
    """Fit attributes [N, A] on latents [N, S] by least squares; orthogonalise each slope to the others.

    Slopes are taken in coordinates in which the latents have unit covariance, so that a step of 1 is equally
    likely in all directions. Class probabilities sum to 1, so a class is not orthogonalised to other classes.
    """
    mean = latents.mean(0)
    values, axes = np.linalg.eigh(np.cov(latents, rowvar=False))
    kept = values > KEPT * values[-1]
    axes, scale = axes[:, kept], np.sqrt(values[kept])

    def design(points: Array) -> Array:
        return np.column_stack([np.ones(len(points)), (points - mean) @ axes / scale])

    weights: Array = np.linalg.lstsq(design(latents), attributes, rcond=None)[0].astype(np.float64)  # [1 + axes, A]
    points, wanted = held_out
    rest = ((wanted - design(points) @ weights) ** 2).sum(0)
    fit = 1 - rest / np.maximum(((wanted - wanted.mean(0)) ** 2).sum(0), 1e-12)
    steps = []
    for index, name in enumerate(names):
        others = [k for k, other in enumerate(names) if k != index and not both_classes(name, other)]
        slope = apart(weights[1:, index], weights[1:, others])
        steps.append((slope * scale) @ axes.T)
    return Directions(names, np.stack(steps), fit)


def both_classes(name: str, other: str) -> bool:
    """Return whether both attributes are class probabilities."""
    return name.startswith(CLASS) and other.startswith(CLASS)


def apart(slope: Array, others: Array) -> Array:
    """Return a slope [S] without its component in the span of others [S, K], normalised."""
    scaled = others / np.maximum(np.linalg.norm(others, axis=0), 1e-12)
    left = slope - scaled @ np.linalg.lstsq(scaled, slope, rcond=1e-6)[0]
    found: Array = left / max(float(np.linalg.norm(left)), 1e-12)
    return found


def walks(directions: Directions, starts: Array) -> Array:
    """Return latents [A, M, T, S] on straight lines from the starts [M, S]."""
    found: Array = starts[:, None] + STEPS[:, None] * directions.steps[:, None, None]
    return found


def correlations(measured: Array) -> Array:
    """Return correlations [A, A] of steps and attributes, for walks measured as [A, M, T, A]; rows are directions.

    The mean of each start is subtracted, so that only changes along walks count.
    """
    change = measured - measured.mean(2, keepdims=True)
    products = np.einsum("amtk,t->ak", change, STEPS)
    sizes = np.sqrt((change**2).sum((1, 2)) * (STEPS**2).sum() * measured.shape[1])
    found: Array = products / np.maximum(sizes, 1e-12)
    return found


def space_of(generator: Any) -> tuple[str, Callable[[int, int], Array], Draw]:
    """Return the space's name, a sampler of latents, and a map to images, with classes in turn if conditional."""
    device, mapped = next(generator.parameters()).device, hasattr(generator, "mapping")

    def latents(count: int, seed: int) -> Array:
        z = sampling.latents(generator, count, seed)
        with torch.no_grad():
            found: Array = (generator.mapping(z.to(device)).cpu() if mapped else z).double().numpy()
        return found

    def draw(points: Array) -> Pixels:
        rows = torch.from_numpy(points).float()
        label = sampling.classes(generator, len(rows))
        if mapped:
            return sampling.in_chunks(generator.synthesis, rows, label, device)
        return sampling.draw(generator, rows, label)

    return ("w" if mapped else "z"), latents, draw


def measured_by(extractor: Extractor | None) -> tuple[tuple[str, ...], Measure]:
    """Return names of attributes and their measure; includes class probabilities if there is a classifier."""
    classes = 0 if extractor is None else extractor.network.out.out_features

    def measure(images: Pixels) -> Array:
        columns = [found(images) for found in MEASURES.values()]
        if extractor is not None:
            columns += [*extractor.features(images)[1][:, 0].T.astype(np.float64)]
        return np.column_stack(columns)

    return (*MEASURES, *(f"{CLASS}{index}" for index in range(classes))), measure


def explore(generator: Any, extractor: Extractor | None, seed: int, picture: Path) -> dict[str, Any]:
    """Find directions, draw a walk along each into `picture`; return the results for JSON."""
    space, latents, draw = space_of(generator)
    names, measure = measured_by(extractor)
    points, others = latents(LATENTS, SEED + seed), latents(HELD_OUT, SEED + seed + 1)
    directions = find(names, points, measure(draw(points)), (others, measure(draw(others))))
    starts, shown, measured = latents(STARTS, SEED + seed + 2), [], []
    for walk in walks(directions, starts):
        images = [draw(walk[:, step]) for step in range(len(STEPS))]  # of each step [M, C, H, W]: classes in turn
        measured.append(np.stack([measure(each) for each in images], 1))
        shown += [each[0] for each in images]
    found = correlations(np.stack(measured))
    draw_walks(np.stack(shown), names, found, space, picture)
    table = [dict(zip(names, map(float, row), strict=True)) for row in found]
    each = {
        name: {"fit": float(fit), "correlation": row}
        for name, fit, row in zip(names, directions.fit, table, strict=True)
    }
    return {"space": space, "latents": LATENTS, "starts": STARTS, "steps": STEPS.tolist(), "attributes": each}


def draw_walks(images: Pixels, names: tuple[str, ...], found: Array, space: str, picture: Path) -> None:
    """Draw images [A T, C, H, W] as a row per attribute, with the correlations [A, A]."""
    whole = grid(images, len(STEPS))
    height, width = whole.shape[0] / len(names), whole.shape[1] / len(STEPS)
    figure, axes = subplots(figsize=(1.0 * len(STEPS) + 4, 1.0 * len(names) + 1))
    axes.imshow(whole, interpolation="nearest")
    axes.set_xticks([(index + 0.5) * width for index in range(len(STEPS))], [f"{step:+.1f}" for step in STEPS])
    axes.set_yticks([(index + 0.5) * height for index in range(len(names))], names)
    axes.set(xlabel=f"step in {space}, standard deviations", title=f"directions in {space}: correlation with the step")
    for row, name in enumerate(names):
        others = [k for k, other in enumerate(names) if k != row and not both_classes(name, other)]
        worst = max(others, key=lambda k: abs(found[row, k]))
        said = f"{found[row, row]:+.2f}; {names[worst]} {found[row, worst]:+.2f}"
        axes.text(whole.shape[1] + 4, (row + 0.5) * height, said, va="center")
    save_figure(figure, picture)

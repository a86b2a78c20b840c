"""Path lengths compared with slow code; stroke widths and slants compared with drawn strokes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from gan.data.images import Pixels
from gan.evaluation.attributes import slant, stroke_width
from gan.evaluation.features import Classifier
from gan.evaluation.paths import STEP, path_length, paths_of, straight
from gan.samples.pictures import great_circle
from gan.standard.networks import Generator, NetworkSettings
from gan.style.networks import StyleGenerator, StyleNetworkSettings

FINE = 8  # points per pixel side


def on_circle(a: list[float], b: list[float], share: float) -> list[float]:
    """Return Shoemake's spherical interpolation of two vectors, number by number."""
    lengths = [math.sqrt(sum(x * x for x in v)) for v in (a, b)]
    angle = math.acos(sum(x * y for x, y in zip(a, b, strict=True)) / lengths[0] / lengths[1])
    weights = math.sin((1 - share) * angle) / math.sin(angle), math.sin(share * angle) / math.sin(angle)
    return [weights[0] * x + weights[1] * y for x, y in zip(a, b, strict=True)]


def test_a_straight_path_through_a_linear_world_is_as_long_as_its_ends_are_apart() -> None:
    torch.manual_seed(0)
    start, end, world = (torch.randn(300, 5, dtype=torch.float64) for _ in range(3))
    share = torch.rand(300, 1, dtype=torch.float64)
    found = path_length(lambda w: w @ world[:5], start, end, share, straight)
    assert found == pytest.approx(float(((end - start) @ world[:5]).square().sum(1).mean()), rel=1e-6)


def test_a_great_circle_is_as_long_as_its_angle() -> None:
    """Between unit vectors, the mean squared speed on great circles is the mean squared angle."""
    torch.manual_seed(0)
    start, end = (torch.nn.functional.normalize(torch.randn(300, 5, dtype=torch.float64)) for _ in range(2))
    share = torch.rand(300, 1, dtype=torch.float64)
    angle = (start * end).sum(1).acos()
    assert path_length(lambda z: z, start, end, share, great_circle) == pytest.approx(float(angle.square().mean()))


def slow_lengths(network: StyleGenerator | Generator, judge: Classifier, seed: int) -> dict[str, list[float]]:
    """Return the squared feature steps of four paths in Z and in W, one image after another."""
    rng = torch.Generator().manual_seed(seed)
    start, end = (torch.randn(4, 5, generator=rng, dtype=torch.float64) for _ in range(2))
    share = torch.rand(4, 1, generator=rng, dtype=torch.float64)

    def seen(image: Tensor) -> Tensor:
        return judge.features(image.double().clamp(-1, 1))[0]

    found: dict[str, list[float]] = {"path_z": [], "path_w": []}
    for row in range(4):
        at, a, b = float(share[row]), start[row].tolist(), end[row].tolist()
        points = [torch.tensor([on_circle(a, b, t)], dtype=torch.float64) for t in (at, at + STEP)]
        told = None if network.embedding is None else torch.tensor([row % 3])
        first, second = (seen(network(point, told)) for point in points)
        found["path_z"].append(sum((x - y) ** 2 for x, y in zip(first.tolist(), second.tolist(), strict=True)))
        if isinstance(network, StyleGenerator):
            w = [network.mapping(ends[row : row + 1]) for ends in (start, end)]
            first, second = (seen(network.synthesis((1 - t) * w[0] + t * w[1], told)) for t in (at, at + STEP))
            found["path_w"].append(sum((x - y) ** 2 for x, y in zip(first.tolist(), second.tolist(), strict=True)))
    return found


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("styled", [True, False])
def test_paths_are_those_of_slow_code(styled: bool, told: bool) -> None:
    """Path lengths in Z, and in W with a mapping, equal float64 slow code; the networks keep float32.

    In a conditional generator, a path keeps its class, and paths cycle through the classes.
    """
    torch.manual_seed(0)
    network: StyleGenerator | Generator
    if styled:
        settings = StyleNetworkSettings(latent=5, style=6, generator_width=2, conditional=told)
        network = StyleGenerator(settings, (1, 8, 8), 3)
    else:
        network = Generator(NetworkSettings(latent=5, generator_width=4, conditional=told), (1, 8, 8), 3).eval()
    judge = Classifier(1, 3).eval()
    found = paths_of(network, judge, 4, seed=6)
    assert next(network.parameters()).dtype == torch.float32
    with torch.no_grad():
        wanted = slow_lengths(network.double(), judge.double(), seed=6)
    assert found.keys() == ({"path_z", "path_w"} if styled else {"path_z"})
    for name, length in found.items():
        assert length == pytest.approx(np.mean(wanted[name]) / STEP**2, rel=0.01)


def strokes(inside: NDArray[np.bool_]) -> Pixels:
    """Return a mask with FINE points per pixel side as one image [1, 1, H, W] with grey edges."""
    height, width = (size // FINE for size in inside.shape)
    grey = inside.reshape(height, FINE, width, FINE).mean((1, 3))
    return (grey * 255).round().astype(np.uint8)[None, None]


def plane() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return x and y of the points of 40x40 pixels, with (0, 0) in the middle and y upward."""
    at = (np.arange(40 * FINE) + 0.5) / FINE - 20
    return at[None, :], -at[:, None]


@pytest.mark.parametrize("angle", [0, 20, 45, 90, 130])
@pytest.mark.parametrize("width", [2.0, 3.0, 5.0])
def test_a_bar_is_as_wide_as_it_was_drawn(width: float, angle: int) -> None:
    """The stroke width is right at every angle, with the bar's ends counted as contour."""
    x, y = plane()
    turn = math.radians(angle)
    along, across = x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn)
    found = stroke_width(strokes((abs(along) < 15) & (abs(across) < width / 2)))
    assert found == pytest.approx(width * 30 / (width + 30), rel=0.08)


def test_a_ring_is_as_wide_as_it_was_drawn() -> None:
    x, y = plane()
    for width in (2.0, 4.0):
        assert stroke_width(strokes(abs(np.hypot(x, y) - 10) < width / 2)) == pytest.approx(width, rel=0.08)
    assert stroke_width(np.zeros((2, 1, 8, 8), np.uint8)).tolist() == [0, 0]


@pytest.mark.parametrize("lean", [-0.5, 0.0, 0.25, 1.0])
def test_a_sheared_bar_leans_as_far_as_it_was_sheared(lean: float) -> None:
    """The slant is positive to the right and does not depend on the bar's position."""
    x, y = plane()
    bar = (abs(x - 2 - lean * y) < 1.5) & (abs(y) < 12)
    images = np.concatenate([strokes(bar), np.roll(strokes(bar), 3, 2), strokes(bar)[:, :, :, ::-1]])
    np.testing.assert_allclose(slant(images), [lean, lean, -lean], atol=0.02)
    assert slant(np.zeros((1, 1, 8, 8), np.uint8)).tolist() == [0]

"""Standard networks: shapes, packing, classes, norms, and which layers mix the images of a batch."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from gan.layers import SmoothConv2d, slope_at_images
from gan.shapes import stages_of
from gan.standard.networks import Discriminator, Generator, NetworkSettings

SMALL = {"latent": 6, "generator_width": 8, "discriminator_width": 8}


def networks(shape: tuple[int, int, int] = (1, 8, 8), **values: Any) -> tuple[Generator, Discriminator]:
    torch.manual_seed(0)
    settings = NetworkSettings(**{**SMALL, **values})
    return Generator(settings, shape, 4), Discriminator(settings, shape, 4)


@pytest.mark.parametrize("kind", ["dcgan", "mlp"])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 64, 48), (2, 8, 12)])
def test_images_have_the_asked_shape_and_range(kind: str, shape: tuple[int, int, int]) -> None:
    generator, discriminator = networks(shape, kind=kind)
    images = generator(torch.randn(3, 6) * 50)
    assert images.shape == (3, *shape)
    assert images.dtype == torch.float32
    assert images.abs().max() <= 1
    assert discriminator(images).shape == (3,)


@pytest.mark.parametrize(
    ("sides", "stages"), [((28, 28), 2), ((32, 32), 3), ((64, 64), 4), ((8, 8), 1), ((210, 160), 1)]
)
def test_images_are_halved_until_a_side_is_odd_or_small(sides: tuple[int, int], stages: int) -> None:
    assert stages_of(*sides) == stages


@pytest.mark.parametrize("sides", [(27, 28), (28, 27), (6, 6)])
def test_images_that_cannot_be_halved_are_refused(sides: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"cannot be halved: give --data\.size"):
        stages_of(*sides)


def test_dcgan_is_made_of_transposed_and_strided_convolutions() -> None:
    """Radford et al. 2016: no pooling, batch norm but at the generator's output and the discriminator's input."""
    generator, discriminator = networks((1, 28, 28), discriminator_norm="batch")
    kinds = [type(layer).__name__ for layer in generator.body]
    assert kinds == ["Linear", "UnflattenNHWC", *["BatchNorm2d", "ReLU", "ConvTranspose2d"] * 2, "Tanh"]
    kinds = [type(layer).__name__ for layer in discriminator.body]
    assert kinds == ["SmoothConv2d", "LeakyReLU", "SmoothConv2d", "BatchNorm2d", "LeakyReLU", "FlattenNHWC"]


@pytest.mark.parametrize(
    "values", [{}, {"conditional": True}, {"attention": True}, {"kind": "mlp"}, {"generator_norm": "none"}]
)
def test_in_evaluation_a_picture_does_not_depend_on_its_batch(values: dict[str, Any]) -> None:
    generator, _ = networks(**values)
    label = torch.arange(64) % 4
    latent = torch.randn(64, 6)
    for _ in range(3):
        generator(latent, label)  # moves batch norm's running statistics from their initial values
    generator.eval()
    together = generator(latent, label)
    alone = torch.cat([generator(latent[i : i + 1], label[i : i + 1]) for i in range(64)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("values", [{}, {"conditional": True}, {"attention": True}, {"discriminator_norm": "spectral"}])
@pytest.mark.parametrize("kind", ["dcgan", "mlp"])
def test_no_picture_moves_anothers_logit(kind: str, values: dict[str, Any]) -> None:
    """A logit depends on its own image alone, as gradient penalties require, except under batch norm."""
    if kind == "mlp":
        values = {name: value for name, value in values.items() if name != "attention"}
    for norm, mixes in (({}, False), ({"discriminator_norm": "batch"}, True)):
        _, discriminator = networks((1, 16, 16), kind=kind, **{**values, **norm})
        images = torch.randn(5, 1, 16, 16, requires_grad=True)
        (slope,) = torch.autograd.grad(discriminator(images, torch.arange(5) % 4)[2], images)
        moved = slope.flatten(1).abs().sum(1) > 1e-9
        assert moved[2]
        assert moved[[0, 1, 3, 4]].any() == mixes


def test_packing_joins_neighbours() -> None:
    """Lin et al. 2018: p images become the colours of one; logit i belongs to images ip .. ip + p - 1."""
    _, discriminator = networks(pack=3)
    images = torch.randn(6, 1, 8, 8, requires_grad=True)
    logit = discriminator(images)
    assert logit.shape == (2,)
    (slope,) = torch.autograd.grad(logit[1], images)
    assert (slope.flatten(1).abs().sum(1) > 0).tolist() == [False] * 3 + [True] * 3
    torch.testing.assert_close(discriminator.out(discriminator.body(images.reshape(2, 3, 8, 8))).squeeze(1), logit)


@pytest.mark.parametrize("kind", ["dcgan", "mlp"])
def test_classes_reach_both_networks(kind: str) -> None:
    generator, discriminator = networks(kind=kind, conditional=True)
    generator.eval()
    latent = torch.randn(1, 6).repeat(4, 1)
    images = generator(latent, torch.arange(4))
    assert len({tuple(image.flatten().tolist()) for image in images}) == 4
    same = images[:1].repeat(4, 1, 1, 1)
    features = discriminator.body(same)
    wanted = [discriminator.out(features)[0, 0] + features[0] @ discriminator.projection.weight[c] for c in range(4)]  # type: ignore[union-attr]
    torch.testing.assert_close(discriminator(same, torch.arange(4)), torch.stack(wanted))


@pytest.mark.parametrize("values", [{}, {"conditional": True}, {"discriminator_norm": "spectral"}])
def test_a_dense_layer_sees_all_places_at_once(values: dict[str, Any]) -> None:
    """Logits equal slow code; changes in two corners add up without the dense layer, and do not with it."""
    _, discriminator = networks((1, 16, 16), discriminator_hidden=12, **values)
    _, plain = networks((1, 16, 16), **values)
    discriminator.eval()
    plain.eval()
    *convolutions, dense, _ = discriminator.body
    images, label = torch.randn(3, 1, 16, 16), torch.arange(3)
    seen = torch.nn.Sequential(*convolutions)(images)
    assert isinstance(dense, torch.nn.Linear)
    assert seen.shape == (3, dense.in_features) == (3, 4 * 4 * 16)
    features = torch.stack([dense.weight @ row + dense.bias for row in seen])
    features = torch.where(features > 0, features, 0.2 * features)
    wanted = (features @ discriminator.out.weight[0]) + discriminator.out.bias
    if discriminator.projection is not None:
        wanted = wanted + (features * discriminator.projection.weight[label]).sum(1)  # type: ignore[index]
    torch.testing.assert_close(discriminator(images, label), wanted)
    corners = images.repeat(2, 1, 1, 1)[:4].clone()
    corners[:] = images[0]
    corners[1::2, :, :2, :2] += 5.0  # none, one corner, the other, both
    corners[2:, :, -2:, -2:] += 5.0
    for network, adds in ((plain, True), (discriminator, False)):
        none, near, far, both = network(corners, torch.zeros(4, dtype=torch.int64))
        assert torch.isclose(both - far, near - none, atol=1e-5) == adds
    with pytest.raises(ValueError, match=r"network\.discriminator_hidden 0 or more"):
        NetworkSettings(discriminator_hidden=-1)


def test_classes_do_not_drown_the_images_at_the_start() -> None:
    """Initial logits vary by less than 0.5 between classes; unit-normal embeddings would vary by tens."""
    _, discriminator = networks((1, 28, 28), discriminator_width=32, conditional=True)
    logit = discriminator(torch.rand(1, 1, 28, 28).repeat(4, 1, 1, 1) * 2 - 1, torch.arange(4))
    assert 0 < logit.std() < 0.5


def test_spectral_norm_bounds_every_layer() -> None:
    """Miyato et al. 2018: the largest singular value of each weight, taken as a matrix, converges to 1."""
    _, discriminator = networks(discriminator_norm="spectral", conditional=True)
    for _ in range(200):
        discriminator(torch.randn(2, 1, 8, 8), torch.zeros(2, dtype=torch.int64))
    discriminator.eval()
    layers = (discriminator.body[0], discriminator.out, discriminator.projection)
    for layer in layers:
        assert isinstance(layer, torch.nn.Module)
        weight = layer.weight
        assert isinstance(weight, torch.Tensor)
        assert float(torch.linalg.matrix_norm(weight.flatten(1).detach(), 2)) == pytest.approx(1, abs=1e-3)


def test_a_smooth_convolution_is_one_to_the_second_derivative() -> None:
    """Values, first and second derivatives equal torch's convolution, and derivatives equal finite differences."""
    torch.manual_seed(0)
    ours, theirs = SmoothConv2d(2, 3, 4, 2, 1).double(), torch.nn.Conv2d(2, 3, 4, 2, 1).double()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 2, 4, 6, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(ours(x), theirs(x))
    assert torch.autograd.gradcheck(ours, x)
    assert torch.autograd.gradgradcheck(ours, x)
    found = []
    for layer in (ours, theirs):
        (slope,) = torch.autograd.grad(layer(x).tanh().sum(), x, create_graph=True)
        loss = slope.square().sum() + layer(x).square().sum()
        found.append(torch.autograd.grad(loss, [x, *layer.parameters()]))
    torch.testing.assert_close(found[0], found[1])


def test_slopes_by_weights_are_skipped_only_where_nobody_asks() -> None:
    layer, x = SmoothConv2d(1, 1, 4, 2, 1), torch.randn(1, 1, 4, 4, requires_grad=True)
    with slope_at_images():
        (inside,) = torch.autograd.grad(layer(x).sum(), x, create_graph=True)
        assert torch.autograd.grad(layer(x).sum(), layer.weight, allow_unused=True) == (None,)
    (outside,) = torch.autograd.grad(layer(x).sum(), x)
    assert torch.equal(inside, outside)
    assert torch.autograd.grad(inside.square().sum() + layer(x).sum(), layer.weight)[0].abs().sum() > 0


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "unet"},
        {"generator_norm": "layer"},
        {"discriminator_norm": "group"},
        {"pack": 0},
        {"latent": 0},
        {"attention": True, "kind": "mlp"},
        {"attention": True, "generator_width": 4},
        {"attention": True, "residual": True},
        {"residual": True, "kind": "mlp"},
        {"block_halvings": 0},
        {"conditional": True, "pack": 2},
    ],
)
def test_impossible_networks_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"network\."):
        NetworkSettings(**{**SMALL, **values})

"""Layers of the style-based generator compared with slow code from the papers, sample by sample."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gan.style.layers import Dense, ModulatedConv2d, Place
from gan.style.networks import StyleGenerator, StyleNetworkSettings, switch_styles

NETWORK = StyleNetworkSettings(latent=5, style=6, mapping_layers=2, generator_width=2, discriminator_width=2)


def slow_modulated(layer: ModulatedConv2d, x: Tensor, style: Tensor) -> Tensor:
    """Convolve one sample [inner, H, W] with its own weights (Karras et al. 2020, equations 1 and 3)."""
    dense = layer.style
    scales = [float((dense.weight[i] * dense.scale) @ style + dense.bias[i]) for i in range(len(x))]
    weight = torch.stack([layer.weight[:, i] * layer.scale * scale for i, scale in enumerate(scales)], 1)
    taps = 4 if layer.doubles else 1  # output places that share a kernel
    for j in range(len(weight)):
        weight[j] = weight[j] / ((weight[j] ** 2).sum() / taps + 1e-8).sqrt()
    if layer.doubles:
        return F.conv_transpose2d(x[None], weight.transpose(0, 1), stride=2, padding=1)[0]
    return F.conv2d(x[None], weight, padding=1)[0]


@pytest.mark.parametrize("place", ["same", "double"])
def test_a_modulated_convolution_is_one_with_weights_for_each_sample(place: Place) -> None:
    torch.manual_seed(0)
    layer = ModulatedConv2d(4, 3, 6, place)
    x, style = torch.randn(5, 4, 6, 7), torch.randn(5, 6)
    with torch.no_grad():
        wanted = torch.stack([slow_modulated(layer, *each) for each in zip(x, style, strict=True)])
        torch.testing.assert_close(layer(x, style), wanted, rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("place", ["same", "double"])
def test_outputs_have_a_deviation_of_one_whatever_the_style(place: Place) -> None:
    torch.manual_seed(0)
    layer = ModulatedConv2d(16, 8, 6, place)
    found = layer(torch.randn(200, 16, 12, 12), 30 * torch.randn(200, 6))[:, :, 2:-2, 2:-2]
    assert float(found.std()) == pytest.approx(1, abs=0.05)
    assert float(found.std((0, 2, 3)).min()) > 0.9


def test_a_dense_layer_learns_at_its_rate() -> None:
    """Adam moves each weight equally, so one step changes the outputs in proportion to `rate`."""
    moved = {}
    for rate in (1.0, 0.01):
        torch.manual_seed(0)
        layer = Dense(50, 40, gain=2.0, rate=rate, bias=0.5)
        x = torch.randn(30, 50)
        before = layer(x)
        weight = layer.weight * rate
        torch.testing.assert_close(before, x @ weight.T * (2 / 50) ** 0.5 + 0.5)
        assert float(weight.detach().std()) == pytest.approx(1, abs=0.05)
        optimizer = torch.optim.Adam(layer.parameters(), 1e-3)
        before.sum().backward()
        optimizer.step()
        moved[rate] = layer(x) - before
    torch.testing.assert_close(moved[0.01], 0.01 * moved[1.0], rtol=1e-2, atol=1e-6)


def generator() -> StyleGenerator:
    """Return a generator for 16x16 images, with six layers and non-zero noise strengths."""
    torch.manual_seed(0)
    made = StyleGenerator(NETWORK, (1, 16, 16))
    for layer in made.layers:
        layer.strength.data += torch.rand(())  # type: ignore[operator,union-attr]
        layer.bias.data += torch.randn(layer.bias.shape)  # type: ignore[operator,union-attr,arg-type]
    return made


@torch.no_grad()
def test_images_are_drawn_layer_by_layer() -> None:
    """Images equal slow code, in which each layer has its own style and noise."""
    made = generator()
    assert made.depth == 6
    styles, noise = torch.randn(3, 6, 6), made.noise(3, torch.Generator().manual_seed(1))
    found = made.synthesis(styles, noise=noise)
    for row in range(3):
        x, image = made.constant[0], torch.zeros(1, 2, 2)
        for index, layer in enumerate(made.layers):
            x = slow_modulated(layer.convolution, x, styles[row, index])  # type: ignore[arg-type]
            x = x + layer.strength * noise[index][row] + layer.bias[:, None, None]  # type: ignore[operator,index]
            x = torch.where(x > 0, x, 0.2 * x) * 2**0.5
            if x.shape[1] > image.shape[1]:
                image = F.interpolate(image[None], scale_factor=2, mode="bilinear")[0]
            if index % 2:
                colour: Any = made.to_image[index // 2]
                image = image + (colour.weight[0, :, None, None] * x).sum(0) + colour.bias
        torch.testing.assert_close(found[row], image.tanh(), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_latents_are_scaled_then_mapped() -> None:
    made, latent = generator(), torch.randn(4, 5)
    x = latent / (latent.square().mean(1, keepdim=True) + 1e-8).sqrt()
    for layer in (made.mapping[1], made.mapping[3]):
        x = x @ (layer.weight * layer.scale).T + layer.bias * layer.rate  # type: ignore[operator]
        x = torch.where(x > 0, x, 0.2 * x)
    torch.testing.assert_close(made.mapping(latent), x, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(made(latent), made.synthesis(x[:, None].repeat(1, 6, 1)))
    torch.testing.assert_close(made(7 * latent), made(latent), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_a_crossing_changes_the_layers_behind_it() -> None:
    """Layers from the crossing on take the second style, and features before it equal the first source's."""
    made, first, second = generator(), torch.randn(7, 6), torch.randn(7, 6)
    found = switch_styles(first, second, torch.arange(7), 6)
    for row in range(7):
        for layer in range(6):
            wanted = first if layer < row else second
            assert torch.equal(found[row, layer], wanted[row])
    kept: list[Tensor] = []
    made.layers[2].register_forward_hook(lambda _, __, out: kept.append(out))
    made.synthesis(switch_styles(first, second, torch.full((7,), 3), 6))
    made.synthesis(first)
    torch.testing.assert_close(*kept)
    assert float((made.synthesis(first) - made.synthesis(second)).abs().max()) > 0.1


def test_noise_is_fixed_in_evaluation_and_new_in_training() -> None:
    made, latent = generator(), torch.randn(1, 5)
    twice = made(latent.repeat(2, 1))
    torch.testing.assert_close(twice[0], twice[1])
    new = made.synthesis(made.mapping(latent.repeat(2, 1)), noise=made.noise(2, torch.Generator().manual_seed(1)))
    assert float((new[0] - new[1]).abs().mean().detach()) > 0.01

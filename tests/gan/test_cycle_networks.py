"""Translator and patch discriminator compared with slow code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gan.cycle.networks import CycleNetworkSettings, PatchDiscriminator, RowMixing, Translator


def slow_translation(network: Any, image: Tensor, side: int) -> Tensor:
    """Translate one image [C, H, W], block by block and layer by layer."""
    colours, height, width = image.shape
    cut = torch.zeros(colours * side**2, height // side, width // side)
    for colour, row, column in np.ndindex(colours, height, width):
        channel = colour * side**2 + row % side * side + column % side
        cut[channel, row // side, column // side] = image[colour, row, column]
    x = F.conv2d(cut[None], network.entry.weight, network.entry.bias, padding=1)
    if isinstance(network.row, torch.nn.Identity):
        mixed = x
    else:
        mixed = torch.stack([(x * weight).sum(3) for weight in network.row.weight.T], 3)
    x = mixed + network.places
    for block in list(network.body)[:-1]:
        inner = F.conv2d(x.clamp(min=0), block.first.weight, block.first.bias, padding=1)
        x = x + F.conv2d(inner.clamp(min=0), block.second.weight, block.second.bias, padding=1)
    out = F.conv2d(x.clamp(min=0), network.exit.weight, network.exit.bias, padding=1)[0]
    drawn = torch.zeros_like(image)
    for colour, row, column in np.ndindex(colours, height, width):
        channel = colour * side**2 + row % side * side + column % side
        drawn[colour, row, column] = out[channel, row // side, column // side]
    return image + drawn if network.change else drawn


@pytest.mark.parametrize(("change", "rows", "colours"), [(True, False, 1), (False, True, 3)])
def test_a_translator_is_its_layers(change: bool, rows: bool, colours: int) -> None:
    torch.manual_seed(0)
    settings = CycleNetworkSettings(generator_width=5, blocks=2, side=2, change=change, rows=rows)
    network = Translator(settings, (colours, 8, 6))
    images = torch.randn(2, colours, 8, 6)
    if change:
        assert torch.equal(network(images), images), "a new one leaves images as they are"
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    found = network(images)
    for image, translation in zip(images, found, strict=True):
        torch.testing.assert_close(translation, slow_translation(network, image, 2), rtol=1e-4, atol=1e-5)


def test_a_patch_is_judged_by_its_surroundings_and_its_place() -> None:
    """Distant pixels change no logit; logits shift with the image until the place parameters are non-zero."""
    torch.manual_seed(0)
    network = PatchDiscriminator(CycleNetworkSettings(discriminator_width=4), (1, 48, 48))
    image = torch.randn(1, 1, 48, 48)
    other = image.clone()
    other[..., :8, :8] += 1.0
    changed_logits = (network(image) != network(other)).view(12, 12)
    assert changed_logits[:3, :3].any()
    assert not changed_logits[5:].any()
    assert not changed_logits[:, 5:].any()
    inner = network(image.roll((8, 8), (2, 3))).view(12, 12)[5:10, 5:10]
    torch.testing.assert_close(inner, network(image).view(12, 12)[3:8, 3:8])
    torch.nn.init.normal_(network.places)
    assert (network(image.roll((8, 8), (2, 3))).view(12, 12)[5:10, 5:10] != network(image).view(12, 12)[3:8, 3:8]).any()


def test_a_row_can_be_mirrored() -> None:
    """With row mixing, a translator without blocks mirrors rows of 30 pixels, beyond its convolutions' reach."""
    settings = CycleNetworkSettings(generator_width=4, blocks=0, side=1, change=False, rows=True)
    network = Translator(settings, (1, 4, 30))
    with torch.no_grad():
        row = network.row
        assert isinstance(row, RowMixing)
        row.weight.copy_(torch.eye(30).flip(0))
        for layer in (network.entry, network.exit):
            layer.weight.zero_()
            layer.bias.zero_()  # type: ignore[union-attr]
            layer.weight[0, 0, 1, 1] = 1.0
    images = torch.rand(3, 1, 4, 30)
    assert torch.equal(network(images), images.flip(3))


def test_blocks_fill_the_image() -> None:
    with pytest.raises(ValueError, match="need a divisor of both"):
        Translator(CycleNetworkSettings(side=3), (1, 8, 8))

"""Pictures of a generator's self-attention."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gan.data.images import Pixels
from gan.layers import SelfAttention
from gan.parts import Generator
from gan.samples import sampling
from gan.samples.pictures import coloured, grid

IMAGES, QUERIES = 8, 3  # rows of the picture; queries per image
MARK = (255, 40, 40)


def layer_of(generator: Generator) -> SelfAttention | None:
    """Return the generator's self-attention layer, if it has one."""
    assert isinstance(generator, nn.Module)
    return next((module for module in generator.modules() if isinstance(module, SelfAttention)), None)


def attention_of(generator: Generator, layer: SelfAttention, latent: Tensor) -> tuple[Pixels, NDArray[np.float32]]:
    """Return images uint8 [N, C, H, W] of latents [N, Z] and attention weights [N, h, w, h, w] (query, key).

    `layer` is the generator's.
    """
    inputs: list[Tensor] = []
    hook = layer.register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
    try:
        images = sampling.draw(generator, latent, sampling.classes(generator, len(latent)))
    finally:
        hook.remove()
    with torch.no_grad():
        x = torch.cat(inputs)
        weights: NDArray[np.float32] = layer.weights(x).float().cpu().numpy()
    return images, weights.reshape(len(images), *x.shape[2:], *x.shape[2:])


def attention_picture(generator: Generator, seed: int = 0) -> NDArray[np.uint8] | None:
    """Draw rows of samples: the image, then the attention of bright places in its left half, marked red.

    White is the highest weight.
    """
    layer = layer_of(generator)
    if layer is None:  # it may not use noise at all
        return None
    images, weights = attention_of(generator, layer, sampling.latents(generator, IMAGES, seed))
    height, width = weights.shape[1:3]
    cell = images.shape[2] // height
    cells = images.mean(1).reshape(IMAGES, height, cell, width, cell).mean((2, 4))
    shown = []
    for image, bright, weight in zip(coloured(images), cells, weights, strict=True):
        shown.append(image)
        for place in spread(bright[:, : width // 2], QUERIES):
            seen = 255 * weight[place] / weight[place].max()
            picture = seen.repeat(cell, 0).repeat(cell, 1).astype(np.uint8)[None].repeat(3, 0)
            rows, columns = (slice(cell * at, cell * (at + 1)) for at in place)
            picture[:, rows, columns] = np.array(MARK, np.uint8)[:, None, None]
            shown.append(picture)
    return grid(np.stack(shown), 1 + QUERIES)


def spread(bright: NDArray[np.float64], count: int) -> list[tuple[int, int]]:
    """Return the brightest place (row, column) of each of `count` bands of rows."""
    bands = np.array_split(np.arange(len(bright)), count)
    found = [(band, bright[band].argmax()) for band in bands if len(band)]
    return [(int(band[at // bright.shape[1]]), int(at % bright.shape[1])) for band, at in found]

"""Style mixing: images with the coarse styles of one latent and the fine styles of another, drawn and measured."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gan.data.images import Pixels, to_uint8
from gan.evaluation.attributes import stroke_width
from gan.evaluation.features import Extractor
from gan.evaluation.metrics import classes_of
from gan.evaluation.scores import Scores
from gan.samples.pictures import grid
from gan.samples.sampling import latents
from gan.style.networks import StyleGenerator, crossed

ROWS, COLUMNS = 6, 10


@torch.no_grad()
def drawn(generator: StyleGenerator, coarse: Tensor, fine: Tensor, layer: int) -> Pixels:
    """Images uint8 [N, C, H, W] of w [N, S] `coarse` before a layer, of `fine` [N, S] from there on."""
    where = torch.full((len(coarse),), layer, device=coarse.device)
    return to_uint8(generator.synthesis(crossed(coarse, fine, where, generator.depth))).cpu().numpy()


@torch.no_grad()
def sources(generator: StyleGenerator, count: int, seed: int) -> Tensor:
    """w [count, S] of latents, and of classes where it is told them, that depend on the seed alone; on its device."""
    device, label = generator.constant.device, None
    if generator.embedding is not None:
        rng = torch.Generator().manual_seed(seed + 1)  # not the numbers that the latents are made of
        label = torch.randint(generator.embedding.num_embeddings, (count,), generator=rng).to(device)
    return generator.mapped(latents(generator, count, seed).to(device), label)


def mixing_grid(generator: StyleGenerator, layer: int, seed: int = 0) -> NDArray[np.uint8]:
    """A picture [H', W', 3]: its first column gives each row the coarse styles, its first row each column the fine."""
    w = sources(generator, ROWS + COLUMNS, seed)
    coarse, fine = w[:ROWS], w[ROWS:]
    tops = drawn(generator, fine, fine, layer)
    rows = [np.concatenate([np.zeros_like(tops[:1]), tops])]
    for each in torch.split(coarse, 1):
        mixed = drawn(generator, each.expand(COLUMNS, -1), fine, layer)
        rows.append(np.concatenate([drawn(generator, each, each, layer), mixed]))
    return grid(np.concatenate(rows), COLUMNS + 1)


def mixing_scores(generator: StyleGenerator, extractor: Extractor, layer: int, pairs: int, seed: int) -> Scores:
    """What mixed images keep of either source: their class by the classifier, and the width of their strokes.

    mixing_class, mixing_class_fine: share of pairs with the class of the coarse styles' own image, of the fine styles'.
    mixing_width, mixing_width_coarse: correlation with the width in the fine styles' own image, in the coarse styles'.
    """
    coarse, fine = sources(generator, 2 * pairs, seed).chunk(2)
    images = [drawn(generator, *each, layer) for each in ((coarse, fine), (coarse, coarse), (fine, fine))]
    mixed, of_coarse, of_fine = (classes_of(extractor.features(each)[1]) for each in images)
    widths = np.corrcoef([stroke_width(each) for each in images])
    return {
        "mixing_class": float((mixed == of_coarse).mean()),
        "mixing_class_fine": float((mixed == of_fine).mean()),
        "mixing_width": float(widths[0, 2]),
        "mixing_width_coarse": float(widths[0, 1]),
    }

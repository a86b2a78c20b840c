"""Style mixing: images with the coarse styles of one latent and the fine styles of another, and their scores."""

from __future__ import annotations

from typing import NamedTuple

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
from gan.style.networks import StyleGenerator, switch_styles

ROWS, COLUMNS = 6, 10


class Sources(NamedTuple):
    """Styles of N latents, and the classes of their images."""

    w: Tensor  # [N, S]
    label: Tensor | None  # [N] int64; None if unconditional

    def rows(self, rows: slice | list[int]) -> Sources:
        """Return a subset."""
        return Sources(self.w[rows], None if self.label is None else self.label[rows])


@torch.no_grad()
def drawn(generator: StyleGenerator, coarse: Sources, fine: Sources, layer: int) -> Pixels:
    """Return images uint8 [N, C, H, W] with `coarse` styles and classes before a layer, `fine` styles from there on."""
    where = torch.full((len(coarse.w),), layer, device=coarse.w.device)
    styles = switch_styles(coarse.w, fine.w, where, generator.depth)
    return to_uint8(generator.synthesis(styles, coarse.label)).cpu().numpy()


@torch.no_grad()
def sources(generator: StyleGenerator, count: int, seed: int) -> Sources:
    """Sample styles and classes as a function of the seed, on the generator's device."""
    device, label = generator.constant.device, None
    if generator.embedding is not None:
        rng = torch.Generator().manual_seed(seed + 1)  # independent of the latents
        label = torch.randint(generator.embedding.num_embeddings, (count,), generator=rng).to(device)
    return Sources(generator.mapping(latents(generator, count, seed).to(device)), label)


def mixing_grid(generator: StyleGenerator, layer: int, seed: int = 0) -> NDArray[np.uint8]:
    """Draw mixed images [H', W', 3], with coarse styles of the first column and fine styles of the first row."""
    both = sources(generator, ROWS + COLUMNS, seed)
    fine = both.rows(slice(ROWS, None))
    tops = drawn(generator, fine, fine, layer)
    rows = [np.concatenate([np.zeros_like(tops[:1]), tops])]
    for row in range(ROWS):
        coarse = both.rows([row])
        mixed = drawn(generator, both.rows([row] * COLUMNS), fine, layer)
        rows.append(np.concatenate([drawn(generator, coarse, coarse, layer), mixed]))
    return grid(np.concatenate(rows), COLUMNS + 1)


def mixing_scores(generator: StyleGenerator, extractor: Extractor, layer: int, pairs: int, seed: int) -> Scores:
    """Score what mixed images keep of their sources: the class by the classifier, and the stroke width.

    mixing_class, mixing_class_fine: share of pairs with the class of the coarse source's image, of the fine source's.
    mixing_width, mixing_width_coarse: correlation with the width in the fine source's image, in the coarse source's.
    """
    both = sources(generator, 2 * pairs, seed)
    coarse, fine = both.rows(slice(pairs)), both.rows(slice(pairs, None))
    images = [drawn(generator, *each, layer) for each in ((coarse, fine), (coarse, coarse), (fine, fine))]
    mixed, of_coarse, of_fine = (classes_of(extractor.features(each)[1]) for each in images)
    widths = np.corrcoef([stroke_width(each) for each in images])
    return {
        "mixing_class": float((mixed == of_coarse).mean()),
        "mixing_class_fine": float((mixed == of_fine).mean()),
        "mixing_width": float(widths[0, 2]),
        "mixing_width_coarse": float(widths[0, 1]),
    }

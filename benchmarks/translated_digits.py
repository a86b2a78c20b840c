"""Measure the labels kept by simple rules between two data sets of digits, the controls of `cycle-digits`.

    python -m benchmarks.translated_digits runs/cycle-digits-s0

scikit-learn's digits were made from handwriting by counting ink in squares. So images of MNIST are averaged over 8x8
squares of the part that digits fill and enlarged like the others; a further rule first makes them upright and
stretches them to full height. Backwards, only contrast is raised. Rules are scored like translations, by the target
domain's classifier on the report part; the last rows of the Markdown table are the run's translator. Nothing is trained
except missing classifiers.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from cluster.gan_images import cache_of, images_of
from gan.cycle.domains import Domains, domains_of, enlarged
from gan.data.images import Pixels, Split
from gan.evaluation.attributes import slant
from gan.evaluation.features import Extractor, extractor_for
from gan.evaluation.metrics import classes_of
from gan.export import load_generator

SQUARES, LEVELS = 8, 16  # of scikit-learn's digits: side, and the highest of 17 levels
INK = 64  # level above which a pixel belongs to the digit
Rule = Callable[[Pixels], Pixels]


def each(change: Callable[[Pixels], Pixels]) -> Rule:
    """Turn a rule for images [H, W] into one for batches [N, 1, H, W]."""
    return lambda images: np.stack([change(image) for image in images[:, 0]])[:, None]


def resized(image: Pixels, width: int, height: int, way: Image.Resampling) -> Pixels:
    """Resize [h, w] -> [height, width]."""
    return np.asarray(Image.fromarray(image).resize((width, height), way))


def in_squares(image: Pixels, gain: float = 1.0) -> Pixels:
    """Average over 8x8 squares, multiply by `gain`, round to 17 levels, and enlarge bilinearly."""
    edge = len(image) // 7
    small = resized(image[edge:-edge, edge:-edge], SQUARES, SQUARES, Image.Resampling.BOX) * gain / 255
    small = (np.rint(small.clip(0, 1) * LEVELS) * 255 / LEVELS).astype(np.uint8)
    return enlarged(small[None], *image.shape)[0, 0]


def upright(image: Pixels) -> Pixels:
    """Shear the digit to slant 0, and stretch it to the height that digits fill."""
    lean, middle = float(slant(image[None, None])[0]), len(image) / 2
    shear = (1, -lean, lean * middle, 0, 1, 0)
    straight = np.asarray(
        Image.fromarray(image).transform(image.shape[::-1], Image.Transform.AFFINE, shear, Image.Resampling.BILINEAR)
    )
    rows, columns = (np.flatnonzero((straight > INK).any(axis)) for axis in (1, 0))
    edge, side = len(image) // 7, len(image) - 2 * (len(image) // 7)
    digit = straight[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    width = min(max(round(digit.shape[1] * side / digit.shape[0]), 3), side)
    found, left = np.zeros_like(image), (len(image) - width) // 2
    found[edge : edge + side, left : left + width] = resized(digit, width, side, Image.Resampling.BILINEAR)
    return found


def contrasted(images: Pixels) -> Pixels:
    """Double the contrast, with level 160 moved to 128: the best of the levels tried on the report part."""
    return ((images.astype(np.float64) - 160) * 2 + 128).clip(0, 255).astype(np.uint8)


FORTH: dict[str, Rule] = {
    "as they are": lambda images: images,
    "in squares": each(in_squares),
    "in squares, brighter": each(lambda image: in_squares(image, 1.6)),
    "upright, in squares, brighter": each(lambda image: in_squares(upright(image), 1.6)),
}
BACK: dict[str, Rule] = {"as they are": lambda images: images, "more contrast": contrasted}


def kept(images: Pixels, part: Split, judge: Extractor) -> float:
    """Return the share of the part's labels that a classifier predicts for `images`."""
    return float((classes_of(judge.features(images)[1]) == part.labels).mean())


def main() -> None:
    """Score every rule, and the translator."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("run", type=Path, help="directory of a run of cycle-digits")
    run = options.parse_args().run
    torch.set_num_threads(1)
    found = load_generator(run / "generator")
    domains: Domains = domains_of(images_of(found.settings.data, cache_of(run)), found.settings.second)
    judges = [extractor_for(domain, cache_of(run)) for domain in domains]
    first, second = (domain.report for domain in domains)
    own = [kept(part.images, part, judge) for part, judge in zip((first, second), judges, strict=True)]
    print(f"classifiers on their own domain's images: {own[0]:.3f}, {own[1]:.3f}\n")
    print("| way | rule | labels kept |\n|---|---|---|")
    for way, rules, part, judge in (("forth", FORTH, first, judges[1]), ("back", BACK, second, judges[0])):
        for name, rule in rules.items():
            print(f"| {way} | {name} | {kept(rule(part.images), part, judge):.3f} |")
    print(
        f"| forth | translator | {found.scores['kept']:.3f} |\n| back | translator | {found.scores['kept_back']:.3f} |"
    )


if __name__ == "__main__":
    main()

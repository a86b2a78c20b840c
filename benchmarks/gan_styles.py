"""Compare the style-based with the standard generator: distance, path lengths, and the effect of each layer's style.

    python -m benchmarks.gan_styles --seeds 0 1 2

Both are unconditional, with the same data, discriminator and loss, each for its preset's number of images, which takes
the standard one half of the style's time; --images makes the numbers equal. One training at a time, on one thread, with
precision `auto`. Interrupted trainings resume, finished ones are not repeated; runs are under --runs. The second table
and `styles.png` are of images whose styles switch from one latent to another at each layer.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.gan_families import trained
from cluster.gan_images import cache_of, images_of
from gan.evaluation.features import Extractor, extractor_for
from gan.evaluation.paths import paths_of
from gan.export import Exported, load_generator
from gan.style.mixing import mixing_scores
from training.storage.curve import save_figure, subplots

SAME = ["--network.no-conditional", "--network.discriminator-hidden=256", "--loss.weight=0.3"]
PRESETS = {"style": ["style"], "standard": ["digits", *SAME]}
SHOWN = ("fd_clf", "precision", "recall")
PAIRS, SEED = 1_000, 11  # of paths and of mixed images; the seed is not that of a run's report
SAID = ("class of the coarse", "class of the fine", "stroke width with the fine", "stroke width with the coarse")


def run_of(kind: str, seed: int, images: int | None, runs: Path) -> tuple[dict[str, Any], Exported, Extractor]:
    """Return the summary of a training, its best generator, and the classifier of its scores."""
    preset, *options = PRESETS[kind]
    given = [*options, f"--seed={seed}", "--minutes=1e9"] + ([] if images is None else [f"--images={images}"])
    run = runs / f"{kind}-{images or 'preset'}-{seed}"
    summary, found = trained(preset, given, run), load_generator(run / "generator")
    return summary, found, extractor_for(images_of(found.settings.data, cache_of(run)), cache_of(run))


def compared(seeds: list[int], images: int | None, runs: Path) -> None:
    """Print a row for each generator and seed."""
    print(f"| seed | generator | {' | '.join(SHOWN)} | path_z | path_w | path_w / path_z | images |")
    print("|---|---|" + "---|" * (len(SHOWN) + 4))
    for seed in seeds:
        for kind in PRESETS:
            summary, found, extractor = run_of(kind, seed, images, runs)
            paths = paths_of(found.network, extractor.network, PAIRS, SEED)
            scores = " | ".join(f"{summary['eval'][name]:.2f}" for name in SHOWN)
            lengths = [f"{paths['path_z']:,.0f}", "-", "-"]
            if "path_w" in paths:
                lengths[1:] = [f"{paths['path_w']:,.0f}", f"{paths['path_w'] / paths['path_z']:.2f}"]
            print(f"| {seed} | {kind} | {scores} | {' | '.join(lengths)} | {summary['images']:,} |", flush=True)


def crossings(seeds: list[int], images: int | None, runs: Path) -> None:
    """Print and plot what mixed images keep of both sources, by the layer of the switch; means over seeds."""
    rows = []
    for seed in seeds:
        _, found, extractor = run_of("style", seed, images, runs)
        layers = range(1, found.network.depth)
        rows.append([list(mixing_scores(found.network, extractor, at, PAIRS, SEED).values()) for at in layers])
    means = np.array(rows, np.float64).mean(0)  # [layers, scores]
    print(f"\n| layers with the coarse source | {' | '.join(SAID)} |\n|---|{'---|' * len(SAID)}")
    for at, row in zip(layers, means, strict=True):
        print(f"| {at} of {len(layers) + 1} | {' | '.join(f'{value:.2f}' for value in row)} |", flush=True)
    figure, axes = subplots(figsize=(7, 4))
    for column, name in enumerate(SAID):
        axes.plot(layers, means[:, column], "o-" if column % 3 == 0 else "o--", color=f"C{column // 2}", label=name)
    axes.set(xlabel="layers with the coarse source's style", ylabel="share of pairs, or correlation", ylim=(-0.1, 1))
    axes.set_xticks(list(layers))
    axes.legend(title="mixed images have the")
    axes.grid(alpha=0.3)
    save_figure(figure, runs / "styles.png", dpi=110)


def main() -> None:
    """Run the missing trainings, and print both tables."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seeds", type=int, nargs="+", default=[0])
    options.add_argument("--images", type=int, help="of each training; default: the preset's")
    options.add_argument("--runs", type=Path, default=Path("runs/benchmark-gan-styles"))
    asked = options.parse_args()
    torch.set_num_threads(1)
    compared(asked.seeds, asked.images, asked.runs)
    crossings(asked.seeds, asked.images, asked.runs)


if __name__ == "__main__":
    main()

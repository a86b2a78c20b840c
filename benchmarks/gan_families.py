"""Compare families of GANs with their controls; print a Markdown table.

    python -m benchmarks.gan_families coupled --seeds 0 1 2        shared layers, one GAN told the domain, two GANs
    python -m benchmarks.gan_families progressive --seeds 0 1 2    grown against direct at equal CPU seconds

One training at a time, on one thread in float32. Interrupted trainings resume, finished ones are not repeated; runs are
under --runs.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import torch

from benchmarks.races import images_for, raced
from benchmarks.trainings import judged, summary_of, train
from gan.progressive.presets import progressive
from training.settings import changed
from training.storage.curve import save_figure, subplots

TASKS = ("edges", "negatives")
COUPLINGS = ("layers", "bit", "none")
SHOWN = ("agreement", "agreement_unpaired", *(f"{h}_{n}" for h in ("first", "second") for n in ("precision", "recall")))
EVERY = 20_000  # images between evaluations of the race
KEPT = ("fd_clf", "fd_floor", "precision", "recall")
ENDLESS = ["--minutes=1e9", "--training.precision=fp32"]


def trained(preset: str, arguments: list[str], run: Path) -> dict[str, Any]:
    """Start or resume a training unless it is finished; return its summary."""
    if not judged(run):
        os.environ["OMP_NUM_THREADS"] = "1"
        train(["train", preset], run, arguments)
    return summary_of(run)


def coupled(seeds: list[int], images: int | None, runs: Path) -> None:
    """Train each task with each coupling; print the table."""
    print(f"| second domain | coupling | seed | {' | '.join(SHOWN)} | images |")
    print("|---|---|---|" + "---|" * (len(SHOWN) + 1))
    for second in TASKS:
        for coupling in COUPLINGS:
            for seed in seeds:
                given = [f"--second={second}", f"--network.coupling={coupling}", f"--seed={seed}", *ENDLESS]
                given += [] if images is None else [f"--images={images}"]
                summary = trained("coupled", given, runs / f"coupled-{second}-{coupling}-{images or 'preset'}-{seed}")
                scores = " | ".join(f"{summary['eval'][name]:.3f}" for name in SHOWN)
                print(f"| {second} | {coupling} | {seed} | {scores} | {summary['images']:,} |", flush=True)


def race(seeds: list[int], images: int | None, runs: Path) -> None:
    """Train grown and direct for the same CPU seconds; print the table and plot the curves."""
    print("| seed | training | images | CPU seconds | to twice the floor | fd_clf over floor | precision | recall |")
    print("|---|---|---|---|---|---|---|---|")
    figure, axes = subplots(figsize=(7, 4))
    for seed in seeds:
        values = {"seed": seed, "training.precision": "fp32", "minutes": 1e9}
        settings = changed(progressive(), values | ({} if images is None else {"training.images": images}))
        folders = [runs / f"progressive-{name}-{images or 'preset'}-{seed}" for name in ("grown", "direct")]
        grown = raced(settings, folders[0], EVERY, KEPT)
        direct = changed(settings, {"growth.stages": 1})
        count = images_for(direct, grown[-1]["cpu_seconds"], folders[1])
        found = {"grown": grown, "direct": raced(changed(direct, {"training.images": count}), folders[1], EVERY, KEPT)}
        for index, (name, rows) in enumerate(found.items()):
            ratio = [row["fd_clf"] / row["fd_floor"] for row in rows]
            seconds = [row["cpu_seconds"] for row in rows]
            axes.plot(seconds, ratio, color=f"C{index}", label=name if seed == seeds[0] else None)
            twice = next((f"{s:.0f}" for s, r in zip(seconds, ratio, strict=True) if r <= 2), "not reached")
            last = rows[-1]
            shown = f"{ratio[-1]:.2f} | {last['precision']:.3f} | {last['recall']:.3f}"
            print(
                f"| {seed} | {name} | {last['images']:,} | {last['cpu_seconds']:.0f} | {twice} | {shown} |", flush=True
            )
    axes.axhline(2, color="0.6", linestyle=":")
    axes.set(xlabel="CPU seconds of training, one thread", ylabel="fd_clf over floor, select part", yscale="log")
    axes.legend()
    axes.grid(alpha=0.3)
    save_figure(figure, runs / "progressive.png", dpi=110)


def main() -> None:
    """Run the trainings of a family and print its table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("family", choices=("coupled", "progressive"))
    options.add_argument("--seeds", type=int, nargs="+", default=[0])
    options.add_argument("--images", type=int, help="of each training; default: the preset's")
    options.add_argument("--runs", type=Path, default=Path("runs/benchmark-gan-families"))
    asked = options.parse_args()
    torch.set_num_threads(1)
    (coupled if asked.family == "coupled" else race)(asked.seeds, asked.images, asked.runs)


if __name__ == "__main__":
    main()

"""Measure whether self-attention makes two digits at both ends of a canvas the same class: a table and a figure.

    python -m benchmarks.pairs --seeds 0 1 2                    attention, a residual block of as many weights, neither
    python -m benchmarks.pairs --seeds 0 1 2 --equal-seconds    and both controls for attention's CPU seconds

Networks have the same widths, rates and numbers of images; steps of the controls are cheaper, hence the second command.
One training at a time, on one thread in float32. Interrupted trainings resume, finished ones are not repeated; runs are
under --runs.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch

from benchmarks.races import images_for, raced
from gan.samples.attention import attention_picture
from gan.standard.parts import grid
from gan.standard.presets import attention
from training.settings import changed
from training.storage.curve import save_figure, subplots

NETWORKS: dict[str, dict[str, Any]] = {
    "attention": {},
    "residual": {"network.attention": False, "network.residual": True},
    "neither": {"network.attention": False},
}
SHOWN = ("consistency", "consistency_chance", "consistency_floor", "classes", "class_kl", "confidence")
KEPT = (*SHOWN, "fd_clf", "fd_floor", "fd_floor_std", "precision", "recall")
EVERY = 25_000  # images between evaluations
PICTURES = {"samples.png": grid, "attention.png": attention_picture}


def compare(seeds: list[int], images: int, runs: Path, equal_seconds: bool) -> None:
    """Train the networks at equal images, and with `equal_seconds` also both controls at attention's CPU seconds."""
    print(f"| seed | network | images | CPU seconds | {' | '.join(SHOWN)} | fd_clf over floor | recall |")
    print("|---|---|---|---|" + "---|" * (len(SHOWN) + 2))
    figure, axes = subplots(figsize=(7, 4))
    for seed in seeds:
        settings = changed(
            attention(), {"seed": seed, "training.precision": "fp32", "minutes": 1e9, "training.images": images}
        )
        seconds = 0.0
        for at, (name, values) in enumerate(NETWORKS.items()):
            network = changed(settings, values)
            counts = [images]
            if seconds and equal_seconds:
                counts.append(images_for(network, seconds, runs / f"{name}-timed-{images}-{seed}"))
            for count in counts:
                trained = changed(network, {"training.images": count})
                rows = raced(trained, runs / f"{name}-{count}-{seed}", EVERY, KEPT, PICTURES)
                seconds = seconds or rows[-1]["cpu_seconds"]
                print(f"| {seed} | {name} | {line(rows[-1])} |", flush=True)
                label = name if seed == seeds[0] and count == images else None
                axes.plot(*curve(rows), color=f"C{at}", label=label, alpha=1.0 if count == images else 0.4)
    axes.axhline(rows[-1]["consistency_floor"], color="0.5", linestyle=":", label="real canvases")
    axes.axhline(0.1, color="0.5", linestyle="--", label="chance, ten classes alike")
    axes.set(xlabel="CPU seconds of training, one thread", ylabel="share of canvases of one class, select part")
    axes.legend()
    axes.grid(alpha=0.3)
    save_figure(figure, runs / "pairs.png", dpi=110)


def line(row: dict[str, float]) -> str:
    """Return a row of the table."""
    scores = " | ".join(f"{row[name]:.3f}" for name in SHOWN)
    distance = row["fd_clf"] / row["fd_floor"]
    return f"{row['images']:,} | {row['cpu_seconds']:.0f} | {scores} | {distance:.1f} | {row['recall']:.3f}"


def curve(rows: list[dict[str, float]]) -> tuple[list[float], list[float]]:
    """Return CPU seconds and consistency."""
    return [row["cpu_seconds"] for row in rows], [row["consistency"] for row in rows]


def main() -> None:
    """Run the trainings, print the table and plot the figure."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seeds", type=int, nargs="+", default=[0])
    options.add_argument("--images", type=int, default=attention().training.images, help="of each training")
    options.add_argument("--runs", type=Path, default=Path("runs/benchmark-pairs"))
    options.add_argument("--equal-seconds", action="store_true")
    asked = options.parse_args()
    torch.set_num_threads(1)
    compare(asked.seeds, asked.images, asked.runs, asked.equal_seconds)


if __name__ == "__main__":
    main()

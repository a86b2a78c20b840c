"""Scores of GAN trainings as pictures."""

from __future__ import annotations

import csv
from pathlib import Path

from training.storage.curve import save_figure


def draw_lines(picture: Path, lines: dict[str, list[tuple[int, float]]], floor: float | None, title: str) -> None:
    """`fd_clf` over images, a line for each training, with what real images would get beneath them."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    for name, points in lines.items():
        if points:
            axes.plot(*zip(*points, strict=True), marker=".", label=name)
    if floor is not None:
        axes.axhline(floor, color="0.5", linestyle=":", label="floor: real images")
    axes.set(xlabel="images", ylabel="fd_clf on the select part", title=title, yscale="log")
    if axes.get_legend_handles_labels()[0] and len(lines) <= 12:
        axes.legend(loc="upper right", fontsize="small")
    axes.grid(alpha=0.3)
    save_figure(figure, picture, dpi=120)


def draw_curve(table: Path, picture: Path, title: str) -> None:
    """The picture of one training's table."""
    with table.open() as source:
        rows = list(csv.DictReader(source))
    points = [(int(row["images"]), float(row["fd_clf"])) for row in rows]
    draw_lines(picture, {"averaged generator": points}, float(rows[-1]["fd_floor"]) if rows else None, title)

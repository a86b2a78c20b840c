"""Plots of GAN scores."""

from __future__ import annotations

from pathlib import Path

from training.storage.csv_table import rows_of
from training.storage.curve import save_figure, subplots

Floor = tuple[float, float]  # mean and standard deviation over draws


def draw_lines(picture: Path, lines: dict[str, list[tuple[int, float]]], floor: Floor | None, title: str) -> None:
    """Plot `fd_clf` over images, a line per training, and the floor of real images with its standard deviation."""
    figure, axes = subplots(figsize=(7, 4))
    for name, points in lines.items():
        if points:
            axes.plot(*zip(*points, strict=True), marker=".", label=name)
    if floor is not None:
        mean, spread = floor
        axes.axhline(mean, color="0.5", linestyle=":", label="floor: real images, a standard deviation either side")
        axes.axhspan(mean - spread, mean + spread, color="0.5", alpha=0.2, linewidth=0)
    axes.set(xlabel="images", ylabel="fd_clf on the select part", title=title, yscale="log")
    if axes.get_legend_handles_labels()[0] and len(lines) <= 12:
        axes.legend(loc="upper right", fontsize="small")
    axes.grid(alpha=0.3)
    save_figure(figure, picture, dpi=120)


def draw_curve(table: Path, picture: Path, title: str) -> None:
    """Plot one training's table."""
    rows = rows_of(table)
    points = [(int(row["images"]), float(row["fd_clf"])) for row in rows]
    last = rows[-1] if rows else None  # older tables and some families have no spread
    floor = None if last is None else (float(last["fd_floor"]), float(last.get("fd_floor_std") or 0))
    draw_lines(picture, {"averaged generator": points}, floor, title)

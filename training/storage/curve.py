"""Truncation of learning curves, and figures as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.storage.files import whole, write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def subplots(
    rows: int = 1, columns: int = 1, *, figsize: tuple[float, float], layout: Any = "constrained", **options: Any
) -> tuple[Figure, Any]:
    """Create a figure of `figsize` inches and its axes, like pyplot's function but without a display.

    matplotlib is imported here, since its import takes a third of a second.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=figsize, layout=layout)
    return figure, figure.subplots(rows, columns, **options)


def save_figure(figure: Figure, picture: Path, *, dpi: int = 100) -> None:
    """Write a figure atomically."""
    with whole(picture) as part:
        figure.savefig(part, dpi=dpi)


def cut_curve(table: Path, now: int) -> None:
    """Keep the rows up to `now` on the run's clock, the second column; drop an incomplete last row."""
    rows = [row for row in table.read_text().splitlines(keepends=True) if row.endswith("\n")]
    kept = rows[:1] + [row for row in rows[1:] if int(row.split(",")[1]) <= now]
    write_text(table, "".join(kept))

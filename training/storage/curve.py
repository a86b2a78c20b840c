"""A learning curve's table when a run goes back, and figures as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

from training.storage.files import whole, write_text

matplotlib.use("Agg")


def save_figure(figure: Any, picture: Path, *, dpi: int = 100) -> None:
    """Write a picture whole or not at all, and free the figure."""
    from matplotlib import pyplot

    with whole(picture) as part:
        figure.savefig(part, dpi=dpi)
    pyplot.close(figure)


def cut_curve(table: Path, now: int) -> None:
    """Keep the rows up to `now` on the run's clock, the second column.

    A run that was killed has written more, and perhaps half of a last one.
    """
    rows = [row for row in table.read_text().splitlines(keepends=True) if row.endswith("\n")]
    kept = rows[:1] + [row for row in rows[1:] if int(row.split(",")[1]) <= now]
    write_text(table, "".join(kept))

"""Columns and plot of an agent's learning curve."""

from __future__ import annotations

from pathlib import Path

from training.storage.csv_table import rows_of
from training.storage.curve import save_figure, subplots

COLUMNS = ("frames", "updates", "all_lanes", "low_epsilon", "evaluation")  # after seconds and agent steps
JUDGED = "evaluation_steps"  # agent steps of the evaluated weights; the evaluation ends later


def draw_curve(table: Path, picture: Path, title: str) -> None:
    """Plot scores over agent steps, with minutes on the upper axis."""
    rows = rows_of(table)
    figure, axes = subplots(figsize=(7, 4))
    styles: tuple[tuple[str, str, str, str, str], ...] = (
        ("all_lanes", "training games, all lanes", "0.7", "", "-"),
        ("low_epsilon", "training games, lanes at low epsilon", "C0", "", "-"),
        ("evaluation", "evaluation", "C3", "o", ""),
    )
    for column, label, colour, marker, line in styles:
        points = [(steps_of(row, column), float(row[column])) for row in rows if row[column]]
        if points:
            axes.plot(*zip(*points, strict=True), label=label, color=colour, marker=marker, linestyle=line)
    axes.set(xlabel="agent steps", ylabel="raw score", title=title)
    if rows and axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower right")
        minutes = [float(row["seconds"]) / 60 for row in rows]
        upper = axes.twiny()
        upper.set_xlim(*(edge * minutes[-1] / max(int(rows[-1]["agent_steps"]), 1) for edge in axes.get_xlim()))
        upper.set_xlabel("minutes, at the mean rate")
    axes.grid(alpha=0.3)
    save_figure(figure, picture, dpi=120)


def steps_of(row: dict[str, str], column: str) -> int:
    """Return the agent steps of a score; older tables have none for the weights of an evaluation."""
    return int((column == "evaluation" and row.get(JUDGED)) or row["agent_steps"])

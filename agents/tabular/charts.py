"""Columns of curve.csv, TensorBoard charts, and the plot of the curve of a tabular run."""

from __future__ import annotations

from pathlib import Path

from agents.curve import COLUMNS as SCORES
from agents.evaluation.judged import CLOSING
from agents.tabular.optimum import Gap
from training.storage.csv_table import rows_of
from training.storage.curve import save_figure, subplots

COLUMNS = (*SCORES, "value_error", "greedy_return", "optimal_return")
RESULTS = (CLOSING, "score_while_training/all_lanes", "exact/greedy_return", "exact/value_error")
CHARTS = {
    "The story": {
        "While training: raw score, exploration included": ["score_while_training/all_lanes"],
        "Evaluation: raw score of greedy games": [CLOSING],
        "Expected return of the greedy policy, exactly, and the optimal one's": [
            "exact/greedy_return",
            "exact/optimal_return",
        ],
        "max |V - V*|": ["exact/value_error"],
        "Epsilon": ["acting/epsilon_mean"],
    }
}
PANELS = (
    ("score of training games", {"all_lanes": ("C0", "-", "exploration included")}),
    (
        "expected return, exact",
        {"greedy_return": ("C3", "-", "greedy policy"), "optimal_return": ("0.4", "--", "optimal policy")},
    ),
    ("max |V - V*|", {"value_error": ("C2", "-", "all states that can be reached")}),
)


def exact_row(gap: Gap) -> dict[str, float]:
    """Return the fields of `gap` that are columns of curve.csv; with "exact/" in front they are TensorBoard tags."""
    return {name: value for name, value in gap._asdict().items() if name in COLUMNS}


def draw_curve(table: Path, picture: Path, title: str) -> None:
    """Plot scores, exact returns and the error of the values over agent steps, a panel each."""
    rows = rows_of(table)
    shown = [(name, lines) for name, lines in PANELS if any(row.get(column) for row in rows for column in lines)]
    count = max(1, len(shown))
    figure, axes = subplots(count, figsize=(7, 1 + 2.2 * count), sharex=True, squeeze=False)
    for panel, (name, lines) in zip(axes[:, 0], shown, strict=False):
        for column, (colour, line, label) in lines.items():
            points = [(int(row["agent_steps"]), float(row[column])) for row in rows if row.get(column)]
            panel.plot(*zip(*points, strict=True), color=colour, linestyle=line, label=label)
        panel.set_ylabel(name)
        panel.legend(loc="best", fontsize="small")
        panel.grid(alpha=0.3)
    axes[-1, 0].set_xlabel("agent steps")
    figure.suptitle(title)
    save_figure(figure, picture, dpi=120)

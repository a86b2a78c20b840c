"""Results of a sweep: ranking of trials, importance of settings, and a plot."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path
from typing import Any

import numpy as np

from cluster.tuning.space import Range, Space
from training.search import Metric
from training.storage.csv_table import Row
from training.storage.curve import save_figure, subplots

LEAST = 4  # minimum number of trials for importances


def trials_of(rounds: list[Row], metric: Metric, saved: Container[str] | None = None) -> list[Row]:
    """Return a row per trial, best first: its newest row with `rounds`, `diverged` (a count) and `best`.

    If runs keep their best model, trials rank by its score at their end, since a model from before the trial cloned
    another is lost. Otherwise trials with more rounds come first, since scores after different lengths of training do
    not compare. Diverged trials, and those without a checkpoint if `saved` is given, come last.
    """
    rows = []
    for trial in dict.fromkeys(row["trial"] for row in rounds):
        mine = [row for row in rounds if row["trial"] == trial]
        best = min((float(row[metric.name]) for row in mine), key=metric.better)
        if metric.kept:
            best = float(mine[-1].get("kept") or best)  # absent from older tables
        diverged = sum(int(row["diverged"]) for row in mine)
        rows.append({**mine[-1], "rounds": len(mine), "diverged": diverged, "best": best})

    def rank(row: Row) -> tuple[bool, int, float]:
        score = score_of(row, metric)
        lost = saved is not None and row["trial"] not in saved
        return lost or score == metric.worst, 0 if metric.kept else -int(row["round"]), metric.better(score)

    return sorted(rows, key=rank)


def score_of(row: Row, metric: Metric) -> float:
    """Return the score by which a row of `trials_of` is ranked."""
    return float(row["best"] if metric.kept else row[metric.name])


def config_of(row: Row, space: Space) -> dict[str, Any]:
    """Parse the searched settings of a row."""
    return {name: r.parsed(row[name]) for name, r in space.items()}


def importance(rows: list[Row], space: Space, metric: Metric) -> dict[str, float]:
    """Return the share of the score's variance due to each setting, by fANOVA (Hutter et al. 2014); empty if unknown.

    Scores are those that trials ended with, so early stopping makes bad values look a little better than they are. A
    trial that has diverged counts as the worst of the others: its own score is as far away as we have chosen.
    """
    scores = [float(row[metric.name]) for row in rows if float(row[metric.name]) != metric.worst]
    if len(rows) < LEAST or len(set(scores)) < 2:
        return {}
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize" if metric.mode == "max" else "minimize")
    ranges = {name: _distribution(r.kind, r.values, whole=r.whole) for name, r in space.items()}
    worst = max(scores, key=metric.better)
    for row in rows:
        values = {name: space[name].within(value) for name, value in config_of(row, space).items()}
        score = float(row[metric.name])
        score = worst if score == metric.worst else score
        study.add_trial(optuna.trial.create_trial(params=values, distributions=ranges, value=score))
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(found.get(name, 0.0)) for name in space}


def _distribution(kind: str, values: list[Any], *, whole: bool) -> Any:
    from optuna import distributions

    if kind == "choice":
        return distributions.CategoricalDistribution(values)
    make = distributions.IntDistribution if whole else distributions.FloatDistribution
    return make(values[0], values[1], log=kind == "log")


def draw(
    picture: Path,
    rounds: list[Row],
    space: Space,
    metric: Metric,
    clock: str,
    title: str,
    saved: Container[str] | None = None,
) -> None:
    """Plot scores over each setting, scores over training, and importances."""
    rows = trials_of(rounds, metric, saved)
    matters, panels = importance(rows, space, metric), len(space) + 2
    columns = min(3, panels)
    figure, grid = subplots(
        -(-panels // columns),
        columns,
        figsize=(4 * columns, 3 * -(-panels // columns)),
        squeeze=False,
    )
    axes = list(grid.ravel())
    for unused in axes[panels:]:
        unused.axis("off")
    scale = "log" if metric.mode == "min" else "linear"
    for name in dict.fromkeys(row["trial"] for row in rounds):
        points = [
            (int(row[clock]), float(row[metric.name]))
            for row in rounds
            if row["trial"] == name and row["diverged"] == "0"
        ]
        won = name == rows[0]["trial"]
        colour, label, above = ("C3", "winner", 3) if won else ("0.6", None, 2)
        if points:
            axes[0].plot(*zip(*points, strict=True), marker=".", color=colour, label=label, zorder=above)
    axes[0].set(xlabel=f"{clock.replace('_', ' ')} a seed", ylabel=f"{metric.name}, mean over seeds", yscale=scale)
    axes[0].legend()
    for place, (name, r) in zip(axes[1:], space.items(), strict=False):
        _slice(place, rows, name, r, metric)
    _bars(axes[panels - 1], matters, len(rows))
    figure.suptitle(title)
    save_figure(figure, picture)


def _bars(axes: Any, matters: dict[str, float], trials: int) -> None:
    if matters:
        names = sorted(matters, key=lambda name: matters[name])
        axes.barh([name.rpartition(".")[2] for name in names], [matters[name] for name in names], color="C0")
        axes.set(xlabel=f"importance (fANOVA, {trials} trials)", xlim=(0, 1))
    else:
        axes.text(0.5, 0.5, "too few trials\nfor an importance", ha="center", va="center")
        axes.axis("off")


def _slice(axes: Any, rows: list[Row], name: str, r: Range, metric: Metric) -> None:
    """Plot a point per trial, darker for longer training; the winner in red. Choices are in the space's order.

    Diverged trials are crosses at the worst edge.
    """
    choices = [str(value) for value in r.values] if r.kind == "choice" else []
    values = np.array([choices.index(str(row[name])) if choices else float(row[name]) for row in rows])
    furthest = max(int(row["round"]) for row in rows)
    shade = np.array([int(row["round"]) / furthest for row in rows])
    scores = np.array([float(row[metric.name]) for row in rows])
    well = scores != metric.worst
    axes.scatter(
        values[well], scores[well], c=shade[well], cmap="Blues", vmin=-0.3, vmax=1.2, edgecolors="0.4", linewidths=0.5
    )
    axes.scatter(values[:1][well[:1]], scores[:1][well[:1]], color="C3", zorder=3)
    if not well.all():
        edge = 0.02 if metric.mode == "max" else 0.98
        axes.scatter(
            values[~well], np.full((~well).sum(), edge), marker="x", color="0.4", transform=axes.get_xaxis_transform()
        )
    axes.set(xlabel=name, ylabel=metric.name, yscale="log" if metric.mode == "min" else "linear")
    if choices:
        axes.set_xticks(range(len(choices)), choices, rotation=30 if len(choices) > 3 else 0)
    if r.kind == "log":
        axes.set_xscale("log")
    axes.grid(alpha=0.3)

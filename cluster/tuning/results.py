"""What a sweep has found: a row a trial, the winner, how much each setting matters, and a picture of it all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cluster.settings_file import parsed
from cluster.tuning.space import Range, Space
from training.csv_table import Row
from training.curve import save_figure

LEAST = 4  # trials: with fewer, nothing can be said about what matters


def trials_of(rounds: list[Row]) -> list[Row]:
    """The newest row of every trial: those that came furthest first, the best of them before the others.

    A trial that was stopped early is never the winner: its score is of another length of training.
    """
    newest = {row["trial"]: row for row in rounds}
    return sorted(newest.values(), key=lambda row: (-int(row["round"]), -float(row["score"])))


def config_of(row: Row, space: Space) -> dict[str, Any]:
    """The searched settings of a row, as values."""
    return {name: parsed(name, row[name]) for name in space}


def importance(rows: list[Row], space: Space) -> dict[str, float]:
    """Share of the score's variance that each setting explains: fANOVA (Hutter et al. 2014); empty if unknown.

    Scores are those that trials ended with, so early stopping makes bad values look a little better than they are.
    """
    if len(rows) < LEAST or len({row["score"] for row in rows}) == 1:
        return {}
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize")
    ranges = {name: _distribution(r.kind, r.values, whole=r.whole) for name, r in space.items()}
    for row in rows:
        values = {
            name: r.within(value)
            for (name, value), r in zip(config_of(row, space).items(), space.values(), strict=True)
        }
        trial = optuna.trial.create_trial(params=values, distributions=ranges, value=float(row["score"]))
        study.add_trial(trial)
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(found.get(name, 0.0)) for name in space}


def _distribution(kind: str, values: list[Any], *, whole: bool) -> Any:
    from optuna import distributions

    if kind == "choice":
        return distributions.CategoricalDistribution(values)
    make = distributions.IntDistribution if whole else distributions.FloatDistribution
    return make(values[0], values[1], log=kind == "log")


def draw(picture: Path, rounds: list[Row], space: Space, title: str) -> None:
    """Score over each setting, one panel each; scores over agent steps; the importance of each setting."""
    from matplotlib import pyplot

    rows, matters = trials_of(rounds), importance(trials_of(rounds), space)
    panels = len(space) + 2
    columns = min(3, panels)
    figure, grid = pyplot.subplots(
        -(-panels // columns),
        columns,
        figsize=(4 * columns, 3 * -(-panels // columns)),
        layout="constrained",
        squeeze=False,
    )
    axes = list(grid.ravel())
    for unused in axes[panels:]:
        unused.axis("off")
    for name in dict.fromkeys(row["trial"] for row in rounds):
        points = [(int(row["agent_steps"]), float(row["score"])) for row in rounds if row["trial"] == name]
        won = name == rows[0]["trial"]
        colour, label, above = ("C3", "winner", 3) if won else ("0.6", None, 2)
        axes[0].plot(*zip(*points, strict=True), marker=".", color=colour, label=label, zorder=above)
    axes[0].set(xlabel="agent steps a seed", ylabel="score, mean over seeds")
    axes[0].legend()
    for place, (name, r) in zip(axes[1:], space.items(), strict=False):
        _slice(place, rows, name, r)
    last = axes[panels - 1]
    if matters:
        names = sorted(matters, key=lambda name: matters[name])
        last.barh([name.rpartition(".")[2] for name in names], [matters[name] for name in names], color="C0")
        last.set(xlabel=f"importance (fANOVA, {len(rows)} trials)", xlim=(0, 1))
    else:
        last.text(0.5, 0.5, "too few trials\nfor an importance", ha="center", va="center")
        last.axis("off")
    figure.suptitle(title)
    save_figure(figure, picture)


def _slice(axes: Any, rows: list[Row], name: str, r: Range) -> None:
    """One point a trial, dark where it was trained long; the winner in red. Choices stand in the space's order."""
    choices = [str(value) for value in r.values] if r.kind == "choice" else []
    values = [choices.index(str(row[name])) if choices else float(row[name]) for row in rows]
    furthest = max(int(row["round"]) for row in rows)
    shade = np.array([int(row["round"]) / furthest for row in rows])
    scores = [float(row["score"]) for row in rows]
    axes.scatter(values, scores, c=shade, cmap="Blues", vmin=-0.3, vmax=1.2, edgecolors="0.4", linewidths=0.5)
    axes.scatter(values[:1], scores[:1], color="C3", zorder=3)
    axes.set(xlabel=name, ylabel="score")
    if choices:
        axes.set_xticks(range(len(choices)), choices)
    if r.kind == "log":
        axes.set_xscale("log")
    axes.grid(alpha=0.3)

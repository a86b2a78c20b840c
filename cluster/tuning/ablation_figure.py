"""Results of an ablation: means over seeds with bootstrap intervals, verdicts, and a bar chart."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.evaluation.bootstrap import mean, stratified_bootstrap
from training.storage.curve import save_figure, subplots

COLOURS = {"helps": "C2", "hurts": "C3", "no difference seen": "0.7", "the start": "C0"}


@dataclass(frozen=True)
class Bar:
    """One stage of the ablation."""

    stage: str
    scores: list[float]  # one per seed, in order
    mean: float
    interval: tuple[float, float]
    change: tuple[float, float] | None  # interval of the paired difference to the stage before
    verdict: str  # a key of COLOURS


def mean_interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the bootstrap interval of the mean of values [N] over seeds (`agents.evaluation.bootstrap`)."""
    found = stratified_bootstrap(mean, [values])
    return float(found.low), float(found.high)


def bars_of(rows: list[dict[str, Any]], stages: tuple[str, ...]) -> list[Bar]:
    """Return a bar per stage, from one row per stage and seed.

    A trick helps or hurts if the interval of the paired difference to the stage before excludes 0.
    """
    bars: list[Bar] = []
    for stage in stages:
        mine = {int(row["seed"]): float(row["score"]) for row in rows if row["stage"] == stage}
        scores = np.array([mine[seed] for seed in sorted(mine)])
        change, verdict = None, "the start"
        if bars:
            change = mean_interval(scores - np.array(bars[-1].scores))
            verdict = "helps" if change[0] > 0 else "hurts" if change[1] < 0 else "no difference seen"
        bars.append(Bar(stage, scores.tolist(), float(scores.mean()), mean_interval(scores), change, verdict))
    return bars


def bar_lines(bars: list[Bar]) -> list[str]:
    """Return a text line per stage: score and verdict."""
    lines = []
    for bar in bars:
        line = f"{bar.stage:<20} {bar.mean:8.2f} [{bar.interval[0]:.2f}, {bar.interval[1]:.2f}]"
        if bar.change is not None:
            line += f"   {bar.verdict}: {bar.change[0]:+.2f} to {bar.change[1]:+.2f}"
        lines.append(line)
    return lines


def draw_bars(picture: Path, bars: list[Bar], title: str) -> None:
    """Plot means with intervals, seeds as dots, verdicts as colours."""
    from matplotlib.patches import Patch

    figure, axes = subplots(figsize=(9, 4.5))
    for place, bar in enumerate(bars):
        low, high = bar.interval
        axes.bar(place, bar.mean, color=COLOURS[bar.verdict], alpha=0.7)
        axes.errorbar(place, bar.mean, [[bar.mean - low], [high - bar.mean]], color="black", capsize=5)
        axes.plot(np.full(len(bar.scores), place) + 0.22, bar.scores, ".", color="0.25", markersize=5)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_xticks(range(len(bars)), ["\n".join(bar.stage.rsplit(" ", 1)) for bar in bars])
    axes.set(ylabel="raw score of greedy games", title=title)
    shown = {bar.verdict for bar in bars}
    handles = [Patch(color=colour, alpha=0.7) for name, colour in COLOURS.items() if name in shown]
    axes.legend(handles, [name for name in COLOURS if name in shown], loc="lower right")
    axes.text(
        0.01,
        0.98,
        "bars: mean and 95 % bootstrap interval over seeds; dots: seeds",
        transform=axes.transAxes,
        va="top",
        fontsize=8,
    )
    save_figure(figure, picture)

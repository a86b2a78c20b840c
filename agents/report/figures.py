"""Figures of many runs: learning curves beside published ones, performance profiles, probabilities of improvement."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from agents.evaluation import bootstrap
from agents.evaluation.bootstrap import stratified_bootstrap
from agents.report.runs import RunResult
from agents.report.scores import Row, band, groups_of, improvements, pooled, protocol_labels
from envs.published import published_curves
from training.storage.curve import save_figure, subplots

TRAINING = {
    "all_lanes": "training games, all lanes",
    "low_epsilon": "training games, lanes at low epsilon",
}
MARKERS = "os^vd"  # of published curves


def draw_curves(game: str, runs: Sequence[RunResult], rows: Sequence[Row], picture: Path) -> None:
    """Plot raw scores of one game over frames, a panel for each kind of score and each protocol, a colour for each
    configuration. Thin lines are seeds, thick ones their mean with its 95 % interval as far as all seeds reach.
    `runs` and `rows` are those of all games, so that a configuration has one name and colour in all figures."""
    played = [run for run in runs if run.game == game]
    told = {key: label for key, label in protocol_labels(runs).items() if any(key in run.judged for run in played)}
    titles = [*TRAINING.values(), *(f"evaluation: {label}" for label in told.values())]
    size = (3.8 * len(titles), 4.6)
    figure, axes = subplots(1, len(titles), figsize=size, sharex=True, sharey=True, squeeze=False)
    panels = dict(zip(titles, axes[0], strict=True))
    for (label, group), colour in zip(groups_of(runs).items(), _colours(), strict=False):
        members = [run for run in group if run.game == game]
        for kind, title in TRAINING.items():
            _draw_kind(panels[title], [run.curves[kind] for run in members if kind in run.curves], label, colour)
        for protocol, name in told.items():
            scored = [row for row in rows if (row.game, row.group, row.protocol) == (game, label, name)]
            _draw_evaluations(panels[f"evaluation: {name}"], members, protocol, scored, colour)
    last = max(1, *(run.frames for run in played))
    for curve, marker in zip(published_curves(game), MARKERS, strict=False):
        shown = np.searchsorted(curve.frames, last) + 1  # later points would set the scale
        style = {"color": "0.4", "marker": marker, "linestyle": "--", "linewidth": 1, "markersize": 4}
        label = f"published: {curve.agent}, training games, sticky 0.25"
        axes[0][0].plot(curve.frames[:shown] / 1e6, curve.scores[:shown], **style, label=label)
    for title, panel in panels.items():
        panel.set(xlabel="million emulator frames", xlim=(0, 1.05 * last / 1e6))
        panel.set_title(textwrap.fill(title, 45), fontsize="medium")
        panel.grid(alpha=0.3)
    axes[0][0].set_ylabel(f"raw score, {game}")
    _save(figure, picture, columns=2)


def _draw_kind(panel: Any, curves: list[Any], label: str, colour: str) -> None:
    for curve in curves:
        panel.plot(curve[:, 0] / 1e6, curve[:, 1], color=colour, linewidth=0.6, alpha=0.5)
    if curves:
        frames, found = band(curves)
        told = f"{label} ({len(curves)} seed{'s' * (len(curves) > 1)})"
        panel.plot(frames / 1e6, found.estimate, color=colour, linewidth=2, label=told)
        if len(curves) > 1:
            panel.fill_between(frames / 1e6, found.low, found.high, color=colour, alpha=0.2, linewidth=0)


def _draw_evaluations(panel: Any, runs: list[RunResult], protocol: str, scored: list[Row], colour: str) -> None:
    """Plot evaluations. Small dots are those during training, if the closing evaluation has this protocol; their games
    may be cut sooner (`evaluation.every_frame_cap`). Large dots are last policies, with the interval of their IQM.
    """
    for run in runs:
        if run.closing == protocol and "evaluation" in run.curves:
            beside = run.curves["evaluation"]
            panel.plot(beside[:, 0] / 1e6, beside[:, 1], ".-", color=colour, linewidth=0.6, alpha=0.5)
    for row in scored:
        frames = np.array([run.frames for run in row.runs]) / 1e6
        panel.plot(frames, row.scores, "o", color=colour)
        if len(frames) > 1:
            estimate, low, high = stratified_bootstrap(bootstrap.iqm, [row.scores])
            reach = [[float(estimate - low)], [float(high - estimate)]]
            panel.errorbar([frames.mean()], [float(estimate)], yerr=reach, fmt="_", color=colour, capsize=4)


def draw_profiles(rows: Sequence[Row], picture: Path) -> bool:
    """Plot the share of runs above each human-normalised score, a panel for each protocol (Agarwal et al. 2021, section
    4.2). Returns False, and draws nothing, if no game has a human score."""
    found = pooled(rows)
    protocols = list(dict.fromkeys(protocol for protocol, _ in found))
    if not protocols:
        return False
    colours = dict(zip(sorted({group for _, group in found}), _colours(), strict=False))
    size = (5 * len(protocols), 4)
    figure, axes = subplots(1, len(protocols), figsize=size, squeeze=False)
    top = max(float(scores.max()) for games in found.values() for scores in games.values())
    thresholds = np.linspace(0, max(1.0, 1.05 * top), 121)
    shares = partial(bootstrap.score_distribution, thresholds=thresholds)
    for (protocol, group), games in found.items():
        panel = axes[0][protocols.index(protocol)]
        interval = stratified_bootstrap(shares, [*games.values()], resamples=2_000)
        label = f"{group} ({sum(map(len, games.values()))} runs of {' '.join(games)})"
        panel.step(thresholds, interval.estimate, where="post", color=colours[group], label=label)
        panel.fill_between(thresholds, interval.low, interval.high, step="post", color=colours[group], alpha=0.2)
        panel.set(xlabel="human-normalised score", ylabel="share of runs above it", ylim=(-0.02, 1.02))
        panel.set_title(textwrap.fill(protocol, 60), fontsize="medium")
        panel.grid(alpha=0.3)
    _save(figure, picture, columns=1)
    return True


def draw_improvements(rows: Sequence[Row], picture: Path) -> bool:
    """Plot the probability that one configuration beats another, with its interval. Returns False, and draws nothing,
    if there are no two to compare."""
    found = improvements(rows)
    if not found:
        return False
    figure, axes = subplots(figsize=(7, 1.0 + 0.7 * len(found)))
    for place, one in enumerate(reversed(found)):
        estimate, low, high = (float(value) for value in one.interval)
        axes.barh(place, high - low, left=low, height=0.3, color="C0", alpha=0.4)
        axes.plot([estimate, estimate], [place - 0.2, place + 0.2], color="C0", linewidth=2)
        told = f"{one.ours}  >  {one.theirs}   ({one.protocol}; {' '.join(one.games)})"
        axes.text(0, place + 0.22, textwrap.fill(told, 110), fontsize="x-small", verticalalignment="bottom")
    axes.axvline(0.5, color="0.5", linestyle=":")
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.4, len(found) - 0.2), yticks=[], xlabel="probability of improvement, 95 %")
    _save(figure, picture)
    return True


def _colours() -> list[str]:
    return [f"C{index}" for index in range(10)] * 10


def _save(figure: Any, picture: Path, columns: int = 0) -> None:
    """Write the figure, with one legend for all panels below it if `columns` is above 0."""
    if columns:
        parts = [part for panel in figure.axes for part in zip(*panel.get_legend_handles_labels(), strict=True)]
        lines = {label: line for line, label in reversed(parts)}
        told = [textwrap.fill(label, 90) for label in lines]
        figure.legend(lines.values(), told, loc="outside lower center", ncols=columns, fontsize="x-small")
    save_figure(figure, picture)

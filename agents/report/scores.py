"""Scores of runs by game, configuration and protocol, and their aggregate statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.evaluation import bootstrap
from agents.evaluation.bootstrap import Interval, stratified_bootstrap
from agents.report.runs import RunResult, labels
from envs.published import published_curves
from envs.scores import human_normalised, reference_scores

STATISTICS = {
    "IQM": bootstrap.iqm,
    "median": bootstrap.median,
    "mean": bootstrap.mean,
    "optimality gap": bootstrap.optimality_gap,
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """Seeds of one configuration in one game under one protocol; a row without a protocol has no scores."""

    game: str
    group: str  # the preset, and the settings in which its runs differ
    protocol: str
    runs: tuple[RunResult, ...]
    scores: NDArray[np.float64]  # [N] the raw mean over whole games of each run
    episodes: tuple[int, ...]  # [N] games of each run
    note: str = ""

    @property
    def seeds(self) -> list[int]:
        """Seeds of the runs, in the order of `runs`."""
        return [run.seed for run in self.runs]

    @property
    def normalised(self) -> NDArray[np.float64] | None:
        """Human-normalised scores [N]; None if the game has no human score."""
        return human_normalised(self.game, self.scores) if self.game in reference_scores() else None


class Improvement(NamedTuple):
    """Probability that a run of one configuration beats a run of another in a game that both have played."""

    protocol: str
    ours: str
    theirs: str
    games: list[str]
    single: bool  # both have one run in every game, so there is no interval
    interval: Interval


class EqualFrames(NamedTuple):
    """Training scores of one configuration and published ones after the same number of emulator frames."""

    game: str
    group: str
    trained_under: dict[str, Any]
    frames: float
    seeds: int
    interval: Interval  # of the mean over seeds
    published: dict[str, float | None]  # by agent; None outside the published range of frames


def groups_of(runs: Sequence[RunResult]) -> dict[str, list[RunResult]]:
    """Group runs by configuration, over all games."""
    grouped: dict[str, list[RunResult]] = {}
    for label, run in zip(labels([(run.preset, run.settings) for run in runs]), runs, strict=True):
        grouped.setdefault(label, []).append(run)
    return {label: sorted(grouped[label], key=lambda run: (run.game, run.seed)) for label in sorted(grouped)}


def rows_of(runs: Sequence[RunResult]) -> list[Row]:
    """Return a row for every game, configuration and protocol, and one for the runs without a score yet."""
    protocols = protocol_labels(runs)
    rows = []
    for group, members in groups_of(runs).items():
        for game in dict.fromkeys(run.game for run in members):
            mine = [run for run in members if run.game == game]
            rows += [
                _row(game, group, protocols[key], key, mine) for key in protocols if any(key in r.judged for r in mine)
            ]
            missing = tuple(run for run in mine if not run.judged)
            if missing:
                nothing, said = np.zeros(0), "no evaluation"
                rows.append(
                    Row(game=game, group=group, protocol="", runs=missing, scores=nothing, episodes=(), note=said)
                )
    return sorted(rows, key=lambda row: (row.game, row.protocol == "", row.protocol, row.group))


def protocol_labels(runs: Sequence[RunResult]) -> dict[str, str]:
    """Return the label of each protocol: its name, and the rules in which protocols of the same name differ."""
    rules = {key: judged.rules for run in runs for key, judged in run.judged.items()}
    told = labels([(str(rule["name"]), rule) for rule in rules.values()])
    return dict(zip(rules, told, strict=True))


def _row(game: str, group: str, protocol: str, key: str, runs: list[RunResult]) -> Row:
    judged = tuple(run for run in runs if key in run.judged)
    notes = []
    rules = judged[0].judged[key].rules
    if rules["name"] == "machado" and rules.get("action_set") == "minimal":
        notes.append("trained with minimal actions")
    if len({run.judged[key].episodes for run in judged}) > 1:
        notes.append("numbers of games differ")
    if len({run.commit for run in judged}) > 1:
        notes.append("commits differ")
    return Row(
        game=game,
        group=group,
        protocol=protocol,
        runs=judged,
        scores=np.array([run.judged[key].mean for run in judged]),
        episodes=tuple(run.judged[key].episodes for run in judged),
        note=", ".join(notes),
    )


def pooled(rows: Sequence[Row]) -> dict[tuple[str, str], dict[str, NDArray[np.float64]]]:
    """Return {(protocol, configuration): {game: human-normalised scores [N]}} for games that have a human score."""
    found: dict[tuple[str, str], dict[str, NDArray[np.float64]]] = {}
    for row in rows:
        if row.protocol and row.normalised is not None:
            found.setdefault((row.protocol, row.group), {})[row.game] = row.normalised
    return found


def improvements(rows: Sequence[Row]) -> list[Improvement]:
    """Compare each pair of configurations under each protocol by raw scores: only their order matters."""
    scores: dict[str, dict[str, dict[str, NDArray[np.float64]]]] = {}
    for row in rows:
        if row.protocol:
            scores.setdefault(row.protocol, {}).setdefault(row.group, {})[row.game] = row.scores
    found = []
    for protocol, groups in scores.items():
        for ours, theirs in combinations(groups, 2):
            games = [game for game in groups[ours] if game in groups[theirs]]
            if games:
                pair = [[groups[one][game] for game in games] for one in (ours, theirs)]
                interval = stratified_bootstrap(bootstrap.probability_of_improvement, *pair)
                single = all(len(scores) == 1 for side in pair for scores in side)
                found.append(Improvement(protocol, ours, theirs, games, single, interval))
    return found


def at_equal_frames(runs: Sequence[RunResult]) -> list[EqualFrames]:
    """Compare each configuration with the published curves of its games, at the frames that all seeds have reached."""
    found = []
    for group, members in groups_of(runs).items():
        for game in dict.fromkeys(run.game for run in members):
            mine = [run for run in members if run.game == game and "all_lanes" in run.curves]
            curves, published = [run.curves["all_lanes"] for run in mine], published_curves(game)
            frames = min((float(curve[-1, 0]) for curve in curves), default=0.0)
            if curves and published and all(curve[0, 0] <= frames for curve in curves):  # do not extrapolate
                scores = np.array([np.interp(frames, curve[:, 0], curve[:, 1]) for curve in curves])
                interval = stratified_bootstrap(bootstrap.mean, [scores])
                theirs = {curve.agent: curve.at(frames) for curve in published}
                found.append(EqualFrames(game, group, mine[0].trained_under, frames, len(curves), interval, theirs))
    return found


def band(curves: Sequence[NDArray[np.float64]], points: int = 200) -> tuple[NDArray[np.float64], Interval]:
    """Return frames [T] that all curves cover, and the mean over seeds [T] with its interval at each."""
    first, last = max(curve[0, 0] for curve in curves), min(curve[-1, 0] for curve in curves)
    frames = np.linspace(first, max(last, first), points)
    scores = np.stack([np.interp(frames, curve[:, 0], curve[:, 1]) for curve in curves], axis=-1)
    return frames, stratified_bootstrap(bootstrap.mean, [scores], resamples=2_000)

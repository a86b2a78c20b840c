"""Reading of runs: raw scores under named protocols, learning curves, and settings that identify a configuration."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.curve import steps_of
from agents.evaluation.protocol import RULES, protocol_name
from agents.saved_policy import SettingsOf
from envs.atari import game_name
from training.settings import flat
from training.storage.csv_table import rows_of
from training.storage.run_dir import RunDir

EXPLORES = ("exploration.", "epsilon")  # settings of agents that play while they learn
LEAGUE = "league."  # settings of self-play in two-player games, evaluated in the one-player game
JUDGED_GAMES = {"evaluation"}
KINDS = ("all_lanes", "low_epsilon", "evaluation")  # columns of curve.csv: three kinds of scores, never mixed
# Settings in which seeds of one configuration may differ: they do not change what is learned from an agent step.
FREE = (
    "seed", "env", "report_every", "minutes", "checkpoint_minutes", "env.id", "learner.device", "learner.env_threads",
)  # fmt: skip
FREE_SECTIONS = ("stop.", "evaluation.", "fleet.env_threads", "fleet.learner_threads", "fleet.roles")
ANNEALED, END = "learner.anneal", "stop.steps"  # `END` matters if the learning rate is annealed to 0 at the end


class Judged(NamedTuple):
    """Evaluation of a run's last policy under one protocol, in whole games."""

    rules: dict[str, Any]  # the protocol's name, then every rule of `RULES` that its env has
    mean: float  # raw score
    episodes: int


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """One run, finished or not."""

    path: Path
    game: str
    preset: str
    seed: int
    settings: dict[str, Any]  # flat, without those that may differ between seeds
    trained_under: dict[str, Any]  # rules of the games it learned from
    frames: int  # emulator frames
    commit: str
    judged: dict[str, Judged]  # by protocol_name
    closing: str  # protocol_name of the closing evaluation; "" if there is none yet
    curves: dict[str, NDArray[np.float64]]  # kind: [P, 2], emulator frames and raw score
    notes: tuple[str, ...]


def read_run(path: Path, settings_of: SettingsOf) -> RunResult:
    """Read a run directory of `quarterdeck train`, finished or not; `settings_of` reads its record.

    Raises:
        ValueError: it holds no run of `quarterdeck train`, a damaged one, one that plays no games, or one without a
            score yet.
    """
    directory = RunDir(path)
    record = directory.record()
    settings = flat(settings_of(record))  # settings added since then have their defaults
    if not {"env", "env.id"} & settings.keys():
        raise ValueError(
            f"{path} trained {record['preset']}, which plays no games: `quarterdeck report` compares scores"
        )
    env = str(settings.get("env.id", settings.get("env")))
    plays = any(name.startswith(EXPLORES) for name in settings)  # otherwise curve.csv holds losses
    curves = _curves(directory.curve_csv) if plays else {}
    notes: list[str] = []
    if any(name.startswith(LEAGUE) for name in settings) and curves.keys() - JUDGED_GAMES:
        curves = {kind: curve for kind, curve in curves.items() if kind in JUDGED_GAMES}
        notes.append(f"{path} learned against itself: its training games are others than those that it is judged by")
    summary = _json(directory.summary) if directory.summary.exists() else None
    if summary is None:
        if not curves:
            raise ValueError(f"{path} has no score yet: wait until its first games have ended")
        notes.append(f"{path} has not ended: it has a learning curve and no score")
    judged = _judged(directory, summary, notes)
    closing = protocol_name(summary["eval"]["protocol"]) if summary and summary["eval"] else ""
    if summary is not None and not judged:
        again = ["quarterdeck", "evaluate", str(path)]
        notes.append(f"{path} was interrupted and has no score: `{shlex.join(again)}` gives it one")
    last = max((int(curve[-1, 0]) for curve in curves.values()), default=0)
    return RunResult(
        path=path,
        game=game_name(env) or env,
        preset=record["preset"],
        seed=int(settings["seed"]),
        settings={k: v for k, v in settings.items() if not _is_free(k, settings)},
        trained_under=_rules_of(settings),
        frames=int(summary["frames"]) if summary else last,
        commit=str(record.get("commit", "")),
        judged=judged,
        closing=closing,
        curves=curves,
        notes=tuple(notes),
    )


def distinct(runs: Sequence[RunResult]) -> tuple[list[RunResult], list[str]]:
    """Return one run for each game, configuration and seed, preferably one with a score, and a note on each other."""
    kept: dict[tuple[str, ...], RunResult] = {}
    notes = []
    for run in sorted(runs, key=lambda run: not run.judged):
        same = kept.setdefault((run.game, run.preset, json.dumps(run.settings, sort_keys=True), str(run.seed)), run)
        if same.path.resolve() != run.path.resolve():
            notes.append(f"{run.path} is left out: game, settings and seed are those of {same.path}")
    return list(kept.values()), notes


def labels(named: Sequence[tuple[str, dict[str, Any]]]) -> list[str]:
    """Return labels: each name, followed by the values in which entries of the same name differ."""
    told = []
    for name, values in named:
        others = [other for other_name, other in named if other_name == name]
        differ = [key for key in values if any(other.get(key) != values[key] for other in others)]
        told.append(", ".join([name, *(f"{key}={values[key]}" for key in differ)]))
    return told


def _judged(directory: RunDir, summary: dict[str, Any] | None, notes: list[str]) -> dict[str, Judged]:
    """Return the closing evaluation and later ones of the run's last policy, by protocol_name.

    Evaluations of older checkpoints are left out, with a line in `notes`.
    """
    found = [summary["eval"]] if summary and summary["eval"] else []
    for file in sorted(directory.path.glob("evaluation-*.json")) if summary else []:
        result = _json(file)
        if summary and Path(result["checkpoint"]).name == Path(summary["checkpoint"]).name:
            found.append(result)
        else:
            notes.append(f"{file} is left out: it judges an older checkpoint, evaluate the run again")
    best: dict[str, Judged] = {}
    for result in found:
        protocol = result["protocol"]
        rules = {"name": protocol["name"], **{rule: protocol[rule] for rule in RULES if rule in protocol}}
        one = Judged(rules, float(result["mean"]), int(result["episodes"]))
        name = protocol_name(protocol)
        if name not in best or one.episodes >= best[name].episodes:  # more episodes are more precise
            best[name] = one
    return best


def _is_free(name: str, settings: dict[str, Any]) -> bool:
    if name == END and settings.get(ANNEALED):
        return False
    return name in FREE or name.startswith(FREE_SECTIONS)


def _rules_of(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the rules of `RULES` in flat settings, named as in a protocol; a flicker of 0 is omitted."""
    if "env.full_actions" in settings:
        settings = {**settings, "env.action_set": "full" if settings["env.full_actions"] else "minimal"}
    told = {rule: settings[f"env.{rule}"] for rule in RULES if f"env.{rule}" in settings}
    return {rule: value for rule, value in told.items() if rule != "flicker" or value}


def _curves(table: Path) -> dict[str, NDArray[np.float64]]:
    written = rows_of(table)
    try:
        rows = without_rolled_back(written)
        points = {kind: [(_frames_of(row, kind), float(row[kind])) for row in rows if row[kind]] for kind in KINDS}
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{table} is damaged: leave this run out, or train it anew") from None
    return {kind: np.array(curve) for kind, curve in points.items() if curve}


def _frames_of(row: dict[str, str], kind: str) -> float:
    return float(row["frames"]) * steps_of(row, kind) / max(int(row["agent_steps"]), 1)


def without_rolled_back(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Drop rows that a run reported before it went back to an older checkpoint: frames of the rest never decrease."""
    kept: list[dict[str, str]] = []
    for row in reversed(rows):
        if not kept or int(row["frames"]) <= int(kept[-1]["frames"]):
            kept.append(row)
    return kept[::-1]


def _json(file: Path) -> dict[str, Any]:
    try:
        value: dict[str, Any] = json.loads(file.read_text())
    except ValueError:
        value = {}
    needed = {"eval", "frames", "checkpoint"} if file.name == "summary.json" else {"protocol", "mean", "checkpoint"}
    if not isinstance(value, dict) or not needed <= value.keys():
        raise ValueError(f"{file} is damaged: leave this run out, or evaluate it anew")
    return value

"""Output of a sweep: tables, plot, settings of all trials and of the best, and the winner's model if kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray import tune

from cluster.tuning.results import config_of, draw, importance, score_of, trials_of
from cluster.tuning.space import Space, by_setting
from cluster.tuning.sweep import Sweep
from cluster.tuning.trial_log import why
from cluster.tuning.trial_spec import TrialSpec
from training.session import keep
from training.settings import changed, flat
from training.settings_file import write_settings
from training.storage.csv_table import Row, rounds_of, write_table
from training.storage.provenance import origin
from training.storage.run_dir import RunDir
from training.tensorboard import add_picture, open_events

OWN = ("space", "scheduler", "search", "trials", "seeds", "rounds", "concurrent")  # fixed for a resumed sweep


def write_results(
    options: Sweep[Any], space: Space, spec: TrialSpec, directory: RunDir, grid: tune.ResultGrid, shared: Any
) -> dict[str, Any]:
    """Write tables, plot and settings; return the entries of summary.json.

    Raises:
        ValueError: no trial has come to a score, to the end of a round, or to a checkpoint where it needs one.
    """
    work, metric = spec.work, spec.work.load("search").metric
    rounds = rounds_of(directory.path / "rounds.csv")
    if not rounds:
        first = next((why(error) for error in grid.errors), "none has failed either, so go on with --resume")
        raise ValueError(f"no trial has finished a round: {first}")
    saved = _checkpoints(grid) if metric.kept else None
    rows = trials_of(rounds, metric, saved)
    columns = ("trial", "rounds", work.clock, "seconds", "best", metric.name, "spread", *metric.beside, "diverged")
    write_table(directory.path / "trials.csv", (*columns, *space), rows)
    best = rows[0]
    score = score_of(best, metric)
    if score == metric.worst:
        raise ValueError("no trial has a score: lower the learning rates, or train each longer")
    if saved is not None and best["trial"] not in saved:
        raise ValueError("no trial with a score has a checkpoint: go on with --resume")
    title = f"{spec.preset}, {options.scheduler}, {options.trials} trials, {options.seeds} seeds each"
    draw(directory.path / "sweep.png", rounds, space, metric, work.clock, title, saved)
    _write_settings(rows, space, options.settings, spec, directory.path)
    trained = sum(int(row["rounds"]) for row in rows) / spec.rounds * flat(spec.settings)[work.end] * len(spec.seeds)
    return {
        **{name: getattr(options, name) for name in OWN},
        "failed": grid.num_errors,
        "trial": best["trial"],
        metric.name: score,
        "spread": float(best["spread"]),
        work.clock: int(best[work.clock]),
        "settings": by_setting(config_of(best, space)),
        "importance": importance(rows, space, metric),
        f"trained_{work.clock}": round(trained),
        "eval": _winner(spec, config_of(best, space), saved[best["trial"]], directory, shared) if saved else None,
        "seed": spec.seeds[0],
        **origin(),
    }


def _write_settings(rows: list[Row], space: Space, given: Any, spec: TrialSpec, folder: Path) -> None:
    metric, base = spec.work.load("search").metric, spec.work.default(spec.preset)
    (folder / "settings").mkdir(exist_ok=True)
    named = [(folder / "settings" / f"{row['trial']}.toml", row) for row in rows]
    for file, row in (*named, (folder / "best.toml", rows[0])):
        after = f"{row[spec.work.clock]} {spec.work.clock.replace('_', ' ')}"
        said = f"quarterdeck sweep {spec.preset}: {row['trial']}, {metric.name} {score_of(row, metric)} after {after}"
        write_settings(file, changed(given, by_setting(config_of(row, space))), base, spec.work.ends, said)


def _checkpoints(grid: tune.ResultGrid) -> dict[str, Path]:
    """Return the newest checkpoint of every trial that has one."""
    found = (((result.metrics or {}).get("trial_id"), result.checkpoint) for result in grid)
    return {trial: Path(saved.path) for trial, saved in found if trial is not None and saved is not None}


def _winner(spec: TrialSpec, config: dict[str, Any], path: Path, directory: RunDir, shared: Any) -> dict[str, Any]:
    """Evaluate the best seed of the winner, saved under `path`, and write its files and pictures."""
    metric = spec.work.load("search").metric
    kept = (spec.kept_run(config, seed, path / f"seed-{seed}", directory.path, shared) for seed in spec.seeds)
    run = min((run for run in kept if run is not None), key=lambda run: metric.better(spec.kept_score(run)))
    closing = run.evaluate(lambda done: None)
    with open_events(directory.tensorboard) as writer:
        for picture in closing.pictures:
            add_picture(writer, picture)
            keep(picture, directory)
    return {**closing.result, **run.summary(), "said": closing.said}

"""What a GAN sweep has found: every round in one table, a row a trial, a picture, the winner."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

from ray import tune

from agents import checkpoint
from cluster.gan_curve import append_row, draw_lines
from cluster.gan_run import Best
from cluster.gan_trial import REPORTED, STATE

SETTINGS = ("loss", "weight", "generator_rate", "discriminator_rate")
ROUND_COLUMNS = ("trial", "round", "images", "seconds", *REPORTED, "diverged", *SETTINGS)
TRIAL_COLUMNS = ("trial", "rounds", "images", "best_fd_clf", "fd_clf", "precision", "recall", "diverged", *SETTINGS)
Row = dict[str, Any]


class Ledger(tune.Callback):
    """Writes every round of every trial into one table, and says it."""

    def __init__(self, table: Path, rounds: int) -> None:
        self.table, self.rounds = table, rounds

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: Row, **info: Any) -> None:
        """Called by Tune in the driver."""
        row = {**result, "trial": trial.trial_id, "round": result["training_iteration"]}
        append_row(self.table, ROUND_COLUMNS, {**row, "seconds": round(result["time_total_s"], 1)})
        found = "diverged" if result["diverged"] else f"fd_clf {result['fd_clf']:.2f}"
        settings = f"{result['loss']} weight {result['weight']:.3g}, rates {result['generator_rate']:.2g}"
        said = f"{row['trial']} round {row['round']}/{self.rounds}: {found}  ({settings}"
        print(f"{said} and {result['discriminator_rate']:.2g})", file=sys.stderr, flush=True)


class Budget(tune.Stopper):
    """Ends a trial after its rounds, and the sweep when all its rounds were trained, by however many trials.

    It counts in the table, so that it knows after an interruption what was trained before.
    """

    def __init__(self, table: Path, trials: int, rounds: int) -> None:
        self.table, self.trials, self.rounds = table, trials, rounds

    def __call__(self, trial_id: str, result: Row) -> bool:
        """Whether this trial has had its rounds."""
        return bool(result["training_iteration"] >= self.rounds)

    def stop_all(self) -> bool:
        """Whether the sweep has."""
        return len(rounds_of(self.table)) >= self.trials * self.rounds


def rounds_of(table: Path) -> list[Row]:
    """Rows of the ledger; of a round that was trained again after a crash, the last one."""
    if not table.exists():
        return []
    with table.open() as source:
        return list({(row["trial"], row["round"]): row for row in csv.DictReader(source)}.values())


def trials_of(rounds: list[Row], images_a_round: float) -> list[Row]:
    """A row for each trial, the best first; `images` are those it was trained on itself, not by a donor."""
    rows = []
    for trial in dict.fromkeys(row["trial"] for row in rounds):
        mine = [row for row in rounds if row["trial"] == trial]
        trained = [row for row in mine if row["diverged"] == "0"]
        best = min(float(row["fd_clf"]) for row in mine)
        images = round(len(trained) * images_a_round)
        diverged = len(mine) - len(trained)
        rows.append({**mine[-1], "rounds": len(mine), "images": images, "best_fd_clf": best, "diverged": diverged})
    return sorted(rows, key=lambda row: float(row["best_fd_clf"]))


def write_tables(rows: list[Row], rounds: list[Row], folder: Path, title: str) -> None:
    """trials.csv and sweep.png, and the table on the terminal."""
    with (folder / "trials.csv").open("w", newline="") as out:
        writer = csv.DictWriter(out, TRIAL_COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    shown = [TRIAL_COLUMNS, *([_short(row[name]) for name in TRIAL_COLUMNS] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for line in shown:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    lines = {
        row["trial"]: [
            (round(float(r["images"])), float(r["fd_clf"]))
            for r in rounds
            if r["trial"] == row["trial"] and r["diverged"] == "0"
        ]
        for row in rows
    }
    floor = float(rounds[0]["fd_floor"])
    draw_lines(folder / "sweep.png", lines, floor, title)


def _short(value: Any) -> str:
    try:
        return f"{float(value):.4g}"
    except ValueError:
        return str(value)


def winner_of(results: tune.ResultGrid) -> tuple[str, Best]:
    """The best generator by the select part among the newest checkpoints of all trials, and its trial.

    Raises:
        ValueError: no trial has come to a score.
    """
    found = []
    for result in results:
        if result.checkpoint is not None:
            state = checkpoint.load(Path(result.checkpoint.path) / STATE, only="best")
            found.append((str((result.metrics or {}).get("trial_id")), Best(**state["best"])))
    scored = [(trial, best) for trial, best in found if best.weights]
    if not scored:
        raise ValueError("no trial has come to a score: lower the preset's learning rates, or give more --images")
    return min(scored, key=lambda pair: pair[1].fd_clf)

"""What a GAN sweep has found: a row a trial, a picture, the winner."""

from __future__ import annotations

from pathlib import Path

from ray import tune

from cluster.gan_curve import draw_lines
from cluster.tuning.gan_ledger import SETTINGS
from cluster.tuning.gan_trial import STATE
from gan.run import Best
from training import checkpoint
from training.csv_table import Row, write_table

TRIAL_COLUMNS = ("trial", "rounds", "images", "best_fd_clf", "fd_clf", "precision", "recall", "diverged", *SETTINGS)


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
    write_table(folder / "trials.csv", TRIAL_COLUMNS, rows)
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

"""Kill a sweep half-way and resume it; compare its winner with its median trial on new seeds.

    python -m benchmarks.sweep --run-dir runs/bench-sweep

Prints one JSON line: seconds to the kill and in all, trials finished before the kill, rounds trained twice, and the
scores of both trials' settings in new runs of `quarterdeck train --settings`.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.trainings import QUARTERDECK
from training.storage.csv_table import rows_of


def finished(run: Path) -> set[str]:
    """Return the trials that Ray Tune has recorded as terminated."""
    files = sorted((run / "trials").glob("experiment_state-*.json"))
    if not files:
        return set()
    try:
        trials = [json.loads(state) for state, _ in json.loads(files[-1].read_text())["trial_data"]]
    except ValueError:  # the file is being written
        return set()
    return {trial["trial_id"] for trial in trials if trial["status"] == "TERMINATED"}


def sweep_with_a_kill(options: argparse.Namespace, run: Path) -> dict[str, Any]:
    """Run the sweep, SIGKILL it when half its trials are finished, and resume it."""
    settings = [f"--steps={options.steps}", f"--evaluation.every-episodes={options.games}"]
    counts = [f"--trials={options.trials}", f"--seeds={options.seeds}"]
    started = time.monotonic()
    command = [*QUARTERDECK, "sweep", "catch", "--scheduler=asha", *counts, *settings, f"--run-dir={run}"]
    process = subprocess.Popen(command, start_new_session=True)
    while process.poll() is None and len(finished(run)) < options.trials // 2:
        time.sleep(0.2)
    if process.poll() is not None:
        raise SystemExit("the sweep has ended before it could be killed: give it more --trials or --steps")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    killed, done, before = time.monotonic(), finished(run), rows_of(run / "rounds.csv")
    subprocess.run([*QUARTERDECK, "sweep", "catch", f"--run-dir={run}", "--resume"], check=True)
    after = rows_of(run / "rounds.csv")
    rounds = {(row["trial"], row["round"]) for row in after}
    return {
        "seconds_to_the_kill": round(killed - started, 1),
        "seconds": round(time.monotonic() - started, 1),
        "finished_before_the_kill": len(done),
        "of_these_trained_again": len([r for r in after if r["trial"] in done])
        - len([r for r in before if r["trial"] in done]),
        "rounds": len(rounds),
        "rounds_trained_twice": len(after) - len(rounds),
    }


def fresh_scores(options: argparse.Namespace, run: Path, name: str, file: Path) -> list[float]:
    """Return scores of a file's settings after `options.steps` agent steps, with new seeds."""
    scores = []
    for seed in range(100, 100 + options.fresh):
        folder = run / "fresh" / f"{name}-s{seed}"
        ends = [f"--steps={options.steps}", "--minutes=1000", f"--seed={seed}", "--evaluation.episodes=200"]
        command = [*QUARTERDECK, "train", "catch", "--serial", f"--settings={file}", *ends, f"--run-dir={folder}"]
        subprocess.run(command, check=True)
        scores.append(json.loads((folder / "summary.json").read_text())["eval"]["mean"])
    return scores


def main() -> None:
    """Run the sweep and the new trainings, and print the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run-dir", type=Path, required=True)
    for name, default in (("trials", 8), ("seeds", 2), ("steps", 16_000), ("games", 50), ("fresh", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    run = options.run_dir
    found = sweep_with_a_kill(options, run)
    ranked = [row["trial"] for row in rows_of(run / "trials.csv")]
    median = ranked[len(ranked) // 2]
    winner = fresh_scores(options, run, "winner", run / "best.toml")
    middle = fresh_scores(options, run, "median", run / "settings" / f"{median}.toml")
    scores = {"winner": winner, "winner_mean": fmean(winner), "median": middle, "median_mean": fmean(middle)}
    print(json.dumps({"benchmark": "sweep", **found, **scores}))


if __name__ == "__main__":
    main()

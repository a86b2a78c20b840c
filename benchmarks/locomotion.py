"""Compare our presets with stable-baselines3's SAC on locomotion tasks, for the same wall-clock minutes on two cores.

    python -m benchmarks.locomotion --minutes 10 --out runs/locomotion
    python -m benchmarks.locomotion --minutes 10 --out runs/one-core --threads 1 --systems halfcheetah sb3 -- --serial

One training at a time. To resume, repeat the command: finished trainings are not repeated, interrupted ones resume
(SB3's restart). One JSON line per training, then OUT/table.md and OUT/curves.png. Scores are returns of 20 episodes of
the mean action, which are not part of the minutes. Options after `--` are passed to our trainings.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.record import trained
from benchmarks.trainings import begun_with, summary_of, with_rest
from training.storage.curve import save_figure, subplots
from training.storage.files import whole

SB3 = "sb3"
WINDOW = 30  # training episodes averaged per point of the figure, as in our own curves


class Result(NamedTuple):
    """One training."""

    system: str
    env: str
    seed: int
    mean: float  # return of the closing episodes
    agent_steps: int
    updates: int
    minutes: float  # of training, start-up included
    curve: list[tuple[float, float]]  # minutes, return of training episodes


def ours(options: argparse.Namespace, preset: str, env: str, seed: int) -> Result:
    """Run one of our presets."""
    folder = trained(options, preset, env, seed)
    found = summary_of(folder)
    with (folder / "curve.csv").open() as source:
        rows = [row for row in csv.DictReader(source) if row["all_lanes"]]
    curve = [(float(row["seconds"]) / 60, float(row["all_lanes"])) for row in rows]
    counts = (found["agent_steps"], found["updates"], found["seconds"] / 60)
    return Result(preset, env, seed, found["eval"]["mean"], *counts, curve)


def theirs(options: argparse.Namespace, env: str, seed: int) -> Result:
    """Run SB3's SAC unless its result exists.

    Raises:
        SystemExit: it failed; its error is printed above.
    """
    file: Path = options.out / f"{SB3}-{env.lower()}-s{seed}.json"
    if not file.exists():
        words = [f"--env={env}", f"--minutes={options.minutes}", f"--seed={seed}", f"--out={file}"]
        words += [f"--threads={options.threads}"] if options.threads else []
        if subprocess.run([sys.executable, "-m", "benchmarks.peers.sb3_sac", *words], check=False).returncode:
            raise SystemExit(f"{file} was not written: see above, then start again")
    found: dict[str, Any] = json.loads(file.read_text())
    returns = [row[2] for row in found["curve"]]
    means = [sum(returns[max(i - WINDOW + 1, 0) : i + 1]) / min(i + 1, WINDOW) for i in range(len(returns))]
    curve = [(row[0] / 60, mean) for row, mean in zip(found["curve"], means, strict=True)]
    return Result(SB3, env, seed, found["mean"], found["agent_steps"], found["updates"], found["minutes"], curve)


def table(results: list[Result]) -> str:
    """Return a table with a row for every training."""
    lines = ["| task | system | seed | return | agent steps | updates | minutes | updates/s |", "|" + "---|" * 8]
    for r in results:
        rate = r.updates / (60 * r.minutes)
        lines.append(
            f"| {r.env} | {r.system} | {r.seed} | {r.mean:,.0f} | {r.agent_steps:,} | {r.updates:,} | "
            f"{r.minutes:.1f} | {rate:.0f} |"
        )
    return "\n".join([*lines, ""])


def draw(results: list[Result], picture: Path) -> None:
    """Plot training episodes over minutes, a panel per task and a colour per system; dots are the closing episodes."""
    envs, systems = list(dict.fromkeys(r.env for r in results)), list(dict.fromkeys(r.system for r in results))
    figure, panels = subplots(1, len(envs), figsize=(5.5 * len(envs), 4), squeeze=False)
    for r in results:
        axes, colour = panels[0][envs.index(r.env)], f"C{systems.index(r.system)}"
        label = None if r.system in axes.get_legend_handles_labels()[1] else r.system
        axes.plot(*zip(*r.curve, strict=True) if r.curve else ((), ()), color=colour, alpha=0.7, label=label)
        axes.plot(r.minutes, r.mean, "o", color=colour)
    for env, axes in zip(envs, panels[0], strict=True):
        axes.set(xlabel="minutes of wall clock", ylabel="return", title=env)
        axes.grid(alpha=0.3)
        axes.legend(loc="upper left")
    save_figure(figure, picture, dpi=110)


def main() -> None:
    """Run the missing trainings and print each result, then write table and figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--systems", nargs="+", default=["halfcheetah", "halfcheetah-decoupled", SB3])
    parser.add_argument("--envs", nargs="+", default=["HalfCheetah-v5", "Hopper-v5"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--threads", type=int, help="torch threads of every training; by default torch's own choice")
    parser.add_argument("--out", type=Path, required=True)
    options = with_rest(parser, steps=None)
    rest = {"words": options.rest} if {*options.systems} - {SB3} else {}
    begun_with(options.out, {"minutes": options.minutes, "threads": options.threads, **rest})
    if options.threads:
        os.environ["OMP_NUM_THREADS"] = str(options.threads)  # of our trainings
    results = []
    for env, seed, system in product(options.envs, options.seeds, options.systems):
        one = theirs(options, env, seed) if system == SB3 else ours(options, system, env, seed)
        results.append(one)
        print(json.dumps({"measured": "locomotion", **one._asdict(), "curve": None}), flush=True)
    results.sort(key=lambda r: (options.envs.index(r.env), options.systems.index(r.system), r.seed))
    with whole(options.out / "table.md") as part:
        part.write_text(table(results))
    draw(results, options.out / "curves.png")


if __name__ == "__main__":
    main()

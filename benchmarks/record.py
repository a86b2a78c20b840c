"""Presets beside each other: every preset on every game with every seed, for equal agent steps or equal minutes.

    python -m benchmarks.record --presets dqn2013 pqn --games pong breakout --minutes 10 --out runs/record
    python -m benchmarks.record --presets pong "pong --network.no-layer-norm" --games pong --steps 600000 --out runs/one

A preset in quotes brings words of its own: a part more, or one less. One training at a time. What is finished is not
trained again, what was interrupted goes on: give the same command once more. In the end `quarterdeck report` writes
tables with intervals and figures into OUT/report, and OUT/equal.md compares training games at the agent steps and at
the minutes that every training has reached; one JSON line a run. What stands behind `--` goes to every training.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agents.evaluation import bootstrap
from agents.report.runs import one_branch
from benchmarks.trainings import QUARTERDECK, begun_with, going_on, judged, summary_of, with_rest
from training.storage.csv_table import rows_of
from training.storage.files import whole
from training.storage.provenance import hardware

ENDLESS = 10**9  # agent steps, or minutes
Cells = dict[tuple[str, str], list[Path]]  # runs of a preset on a game


def command_of(options: argparse.Namespace, preset: str, game: str, seed: int, folder: Path) -> list[str]:
    """The training of one cell: whichever end is not asked for is out of reach, and no score ends it."""
    name, *own = shlex.split(preset)
    ends = [f"--steps={options.steps or ENDLESS}", f"--minutes={options.minutes or ENDLESS}", f"--score={ENDLESS}"]
    return going_on(["train", name, *ends], folder, [f"--env={game}", f"--seed={seed}", *own, *options.rest])


def trained(options: argparse.Namespace, preset: str, game: str, seed: int) -> Path:
    """The directory of one finished training.

    Raises:
        SystemExit: it has failed; what it says stands above.
    """
    called = re.sub(r"[^\w.]+", "-", preset)
    folder: Path = options.out / f"{called}-{game.replace('/', '-').lower()}-s{seed}"
    if not judged(folder):
        done = subprocess.run(command_of(options, preset, game, seed, folder), check=False)
        if done.returncode != 0:
            raise SystemExit(f"{folder} has ended with status {done.returncode}: see above, then start again")
    return folder


def curve_of(folder: Path) -> NDArray[np.float64]:
    """Agent steps, minutes and score of training games of all lanes [P, 3]; of a resumed run its last branch."""
    rows = [row for row in one_branch(rows_of(folder / "curve.csv")) if row["all_lanes"]]
    points = [(float(row["agent_steps"]), float(row["seconds"]) / 60, float(row["all_lanes"])) for row in rows]
    return np.array(points).reshape(-1, 3)


def equal(cells: Cells) -> str:
    """A row for each preset and game: training games at equal agent steps and at equal minutes, mean [95 %]."""
    curves = {cell: [curve_of(folder) for folder in folders] for cell, folders in cells.items()}
    curves = {cell: found for cell, found in curves.items() if all(len(curve) for curve in found)}
    if not curves:
        return "No training game has ended.\n"
    steps, minutes = (min(curve[-1, axis] for found in curves.values() for curve in found) for axis in (0, 1))
    lines = [f"| game | preset | seeds | at {steps:,.0f} agent steps | at {minutes:.1f} minutes |", "|" + "---|" * 5]
    for (preset, game), found in sorted(curves.items(), key=lambda item: item[0][::-1]):
        shown = []
        for axis, place in ((0, steps), (1, minutes)):
            if any(curve[0, axis] > place for curve in found):
                shown.append("-")  # a training had not ended a game by then
                continue
            scores = np.array([np.interp(place, curve[:, axis], curve[:, 2]) for curve in found])
            one = bootstrap.stratified_bootstrap(bootstrap.mean, [scores])
            interval = f" [{float(one.low):.2f}, {float(one.high):.2f}]" if len(found) > 1 else ""
            shown.append(f"{float(one.estimate):.2f}{interval}")
        lines.append(f"| {game} | {preset} | {len(found)} | {shown[0]} | {shown[1]} |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Train what is missing, say what each has reached, and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", required=True)
    parser.add_argument("--games", nargs="+", required=True)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--out", type=Path, required=True)
    options = with_rest(parser)
    if options.steps is None and options.minutes is None:
        parser.error("give --steps or --minutes")
    begun_with(options.out, {"steps": options.steps, "minutes": options.minutes, "words": options.rest})
    cells: Cells = {}
    for preset, game, seed in product(options.presets, options.games, options.seeds):
        folder = trained(options, preset, game, seed)
        cells.setdefault((preset, game), []).append(folder)
        found = summary_of(folder)
        reached = {"mean": found["eval"]["mean"], "agent_steps": found["agent_steps"]}
        minutes = round(found["seconds_with_evaluation"] / 60, 2)
        about = {"preset": preset, "game": game, "seed": seed, **reached, "minutes": minutes, **hardware()}
        print(json.dumps({"measured": "record", **about}), flush=True)
    with whole(options.out / "equal.md") as part:
        part.write_text(equal(cells))
    folders = [str(folder) for runs in cells.values() for folder in runs]
    subprocess.run([*QUARTERDECK, "report", *folders, f"--out={options.out / 'report'}"], check=True)


if __name__ == "__main__":
    main()

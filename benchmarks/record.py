"""Presets beside each other: every preset on every game with every seed, for equal agent steps or equal minutes.

    python -m benchmarks.record --presets dqn2013 pqn --games pong breakout --minutes 10 --out runs/record
    python -m benchmarks.record --presets pong --games pong --steps 600000 --out runs/steps -- --sticky 0.25

One training at a time. What is finished is not trained again, what was interrupted goes on: give the same command once
more. In the end `quarterdeck report` writes tables with intervals and figures into OUT/report; one JSON line a run says
what it reached, after how many steps and minutes. What stands behind `--` goes to every training.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from itertools import product
from pathlib import Path

from benchmarks.trainings import QUARTERDECK, begun_with, going_on, judged, summary_of
from training.storage.provenance import hardware

ENDLESS = 10**9  # agent steps, or minutes


def command_of(options: argparse.Namespace, preset: str, game: str, seed: int, folder: Path) -> list[str]:
    """The training of one cell: whichever end is not asked for is out of reach, and no score ends it."""
    ends = [f"--steps={options.steps or ENDLESS}", f"--minutes={options.minutes or ENDLESS}", f"--score={ENDLESS}"]
    return going_on(["train", preset, *ends], folder, [f"--env={game}", f"--seed={seed}", *options.rest])


def trained(options: argparse.Namespace, preset: str, game: str, seed: int) -> Path:
    """The directory of one finished training.

    Raises:
        SystemExit: it has failed; what it says stands above.
    """
    folder: Path = options.out / f"{preset}-{game.replace('/', '-').lower()}-s{seed}"
    if not judged(folder):
        done = subprocess.run(command_of(options, preset, game, seed, folder), check=False)
        if done.returncode != 0:
            raise SystemExit(f"{folder} has ended with status {done.returncode}: see above, then start again")
    return folder


def main() -> None:
    """Train what is missing, say what each has reached, and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", required=True)
    parser.add_argument("--games", nargs="+", required=True)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--out", type=Path, required=True)
    words = [*sys.argv[1:], "--"]
    cut = words.index("--")
    options = parser.parse_args(words[:cut], argparse.Namespace(rest=words[cut + 1 : -1]))
    if options.steps is None and options.minutes is None:
        parser.error("give --steps or --minutes")
    begun_with(options.out, {"steps": options.steps, "minutes": options.minutes, "words": options.rest})
    folders = []
    for preset, game, seed in product(options.presets, options.games, options.seeds):
        folders.append(trained(options, preset, game, seed))
        found = summary_of(folders[-1])
        reached = {"mean": found["eval"]["mean"], "agent_steps": found["agent_steps"]}
        minutes = round(found["seconds_with_evaluation"] / 60, 2)
        about = {"preset": preset, "game": game, "seed": seed, **reached, "minutes": minutes, **hardware()}
        print(json.dumps({"measured": "record", **about}), flush=True)
    subprocess.run([*QUARTERDECK, "report", *map(str, folders), f"--out={options.out / 'report'}"], check=True)


if __name__ == "__main__":
    main()

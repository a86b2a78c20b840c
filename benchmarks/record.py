"""Compare presets, each on every game with every seed, for equal agent steps or equal minutes.

    python -m benchmarks.record --presets dqn2013 pqn --games pong breakout --minutes 10 --out runs/record
    python -m benchmarks.record --presets pong "pong --network.no-layer-norm" --games pong --steps 600000 --out runs/one
    taskset -c 0 python -m benchmarks.record ... --seeds 0 --out runs/record -- --serial     # minutes of one core

A quoted preset may have options of its own, as for ablations. One training at a time. To resume, repeat the command:
finished trainings are not repeated, interrupted ones resume. At the end `quarterdeck report` writes tables with
intervals and figures into OUT/report, and OUT/equal.md and OUT/equal.png compare training games at the agent steps and
at the minutes that every training has reached; one JSON line per run. Training games use each preset's own rules and
exploration; closing games use --epsilon for all. Options after `--` are passed to every training. A serial training has
several threads, so its minutes are core minutes only if it is pinned to one core.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.evaluation import bootstrap
from agents.report.runs import without_rolled_back
from benchmarks.trainings import (
    QUARTERDECK,
    begun_with,
    judged,
    require_same,
    settings_for,
    summary_of,
    train,
    with_rest,
)
from training.settings import flat
from training.storage.csv_table import rows_of
from training.storage.curve import save_figure, subplots
from training.storage.files import write_text

ENDLESS = 10**9  # agent steps, or minutes
Cells = dict[tuple[str, str], list[Path]]  # the runs of a preset on a game
Curves = dict[tuple[str, str], list[NDArray[np.float64]]]  # [P, 3] of each: agent steps, minutes, score


def asked(options: argparse.Namespace, preset: str, game: str, seed: int) -> tuple[str, list[str], list[str]]:
    """Return a cell's preset, limits and other options; limits not given, and that of the score, are unreachable."""
    name, *own = shlex.split(preset)
    ends = [f"--steps={options.steps or ENDLESS}", f"--minutes={options.minutes or ENDLESS}", f"--score={ENDLESS}"]
    words = [f"--env={game}", f"--seed={seed}", f"--evaluation.epsilon={options.epsilon}", *own, *options.rest]
    return name, ends, words


def check(options: argparse.Namespace) -> None:
    """Check the options of every preset before any training.

    Raises:
        SystemExit: `train` would reject them, or a learning rate would not be annealed.
    """
    for preset in options.presets:
        name, ends, words = asked(options, preset, options.games[0], options.seeds[0])
        if flat(settings_for(name, [*ends, *words])).get("learner.anneal") and not options.steps:
            raise SystemExit(f"{preset}: learner.anneal falls to 0 at --steps: give it")


def trained(options: argparse.Namespace, preset: str, game: str, seed: int) -> Path:
    """Run one training unless it is finished; return its directory.

    Raises:
        SystemExit: it failed, with its error printed above, or the directory is of other settings.
    """
    called = re.sub(r"[^\w.]+", "-", preset)
    folder: Path = options.out / f"{called}-{game.replace('/', '-').lower()}-s{seed}"
    name, ends, words = asked(options, preset, game, seed)
    require_same(folder, settings_for(name, [*ends, *words]))
    if not judged(folder):
        train(["train", name, *ends], folder, words)
    return folder


def told(preset: str, game: str, seed: int, folder: Path) -> dict[str, Any]:
    """Return the results of the training in a folder, with its commit and hardware."""
    found = summary_of(folder)
    reached = {"mean": found["eval"]["mean"], "agent_steps": found["agent_steps"]}
    minutes = {"minutes": found["seconds"] / 60, "minutes_in_all": found["seconds_with_evaluation"] / 60}
    rounded = {name: round(value, 2) for name, value in minutes.items()}
    by = {"commit": found["commit"], **found["hardware"]}
    return {"measured": "record", "preset": preset, "game": game, "seed": seed, **reached, **rounded, **by}


def curve_of(folder: Path) -> NDArray[np.float64]:
    """Return agent steps, minutes and score of training games of all lanes [P, 3]; the last branch of resumed runs."""
    rows = [row for row in without_rolled_back(rows_of(folder / "curve.csv")) if row["all_lanes"]]
    points = [(float(row["agent_steps"]), float(row["seconds"]) / 60, float(row["all_lanes"])) for row in rows]
    return np.array(points).reshape(-1, 3)


def curves_of(cells: Cells) -> Curves:
    """Return the curves of the cells in which trainings have all finished a game."""
    curves = {cell: [curve_of(folder) for folder in folders] for cell, folders in cells.items()}
    return {cell: found for cell, found in curves.items() if all(len(curve) for curve in found)}


def equal(curves: Curves) -> str:
    """Return a table of training games at equal agent steps and at equal minutes: mean [95 %] per preset and game."""
    if not curves:
        return "No training game has ended.\n"
    steps, minutes = (min(curve[-1, axis] for found in curves.values() for curve in found) for axis in (0, 1))
    places = f"at {steps:,.0f} agent steps | at {minutes:.1f} minutes | agent steps by then"
    lines = [f"| game | preset | seeds | {places} |", "|" + "---|" * 6]
    for (preset, game), found in sorted(curves.items(), key=lambda item: item[0][::-1]):
        shown = []
        for axis, place in ((0, steps), (1, minutes)):
            if any(curve[0, axis] > place for curve in found):
                shown.append("-")  # a training has finished no game by then
                continue
            scores = np.array([np.interp(place, curve[:, axis], curve[:, 2]) for curve in found])
            one = bootstrap.stratified_bootstrap(bootstrap.mean, [scores])
            interval = f" [{float(one.low):.2f}, {float(one.high):.2f}]" if len(found) > 1 else ""
            shown.append(f"{float(one.estimate):.2f}{interval}")
        by_then = f"{np.mean([np.interp(minutes, curve[:, 1], curve[:, 0]) for curve in found]):,.0f}"
        shown.append("-" if shown[1] == "-" else by_then)
        lines.append(f"| {game} | {preset} | {len(found)} | {' | '.join(shown)} |")
    return "\n".join([*lines, ""])


def draw(curves: Curves, picture: Path) -> None:
    """Plot training games over agent steps and over minutes, a column per game, a colour per preset."""
    presets, games = (list(dict.fromkeys(cell[place] for cell in curves)) for place in (0, 1))
    figure, axes = subplots(2, len(games), figsize=(1.5 + 3.5 * len(games), 7.5), sharey="col", squeeze=False)
    for (preset, game), found in curves.items():
        for axis, panel in enumerate(axes[:, games.index(game)]):
            for number, curve in enumerate(found):
                label = preset if number == 0 else None
                style = {"color": f"C{presets.index(preset)}", "linewidth": 1, "alpha": 0.8}
                panel.plot(curve[:, axis], curve[:, 2], label=label, **style)
            panel.set(title=game, xlabel=("agent steps", "minutes")[axis])
            panel.grid(alpha=0.3)
    for row in axes:
        row[0].set_ylabel("raw score of training games")
    lines = {label: line for panel in axes[0] for line, label in zip(*panel.get_legend_handles_labels(), strict=True)}
    figure.legend(lines.values(), lines, loc="outside lower center", ncols=len(games) + 1, fontsize="small")
    save_figure(figure, picture, dpi=110)


def main() -> None:
    """Run the missing trainings, print each result, and write the reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", required=True)
    parser.add_argument("--games", nargs="+", required=True)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--epsilon", type=float, default=0.05, help="of all closing games, as Mnih et al. (2013)")
    parser.add_argument("--out", type=Path, required=True)
    options = with_rest(parser)
    if options.steps is None and options.minutes is None:
        parser.error("give --steps or --minutes")
    check(options)
    ends = {"steps": options.steps, "minutes": options.minutes}
    begun_with(options.out, {**ends, "epsilon": options.epsilon, "words": options.rest})
    cells: Cells = {}
    for preset, game, seed in product(options.presets, options.games, options.seeds):
        folder = trained(options, preset, game, seed)
        cells.setdefault((preset, game), []).append(folder)
        print(json.dumps(told(preset, game, seed, folder)), flush=True)
    curves = curves_of(cells)
    write_text(options.out / "equal.md", equal(curves))
    if curves:
        draw(curves, options.out / "equal.png")
    folders = [str(folder) for runs in cells.values() for folder in runs]
    subprocess.run([*QUARTERDECK, "report", *folders, f"--out={options.out / 'report'}"], check=True)


if __name__ == "__main__":
    main()

"""Results of docs/tables.md: tabular runs against planning, and the effect of discount and exploration.

    python -m benchmarks.tables --out docs --seeds 3

Takes six minutes of an idle core. Everything except training is exact.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from agents.tabular.grids import grid_of
from agents.tabular.maps import draw_maps
from agents.tabular.mdp import Table, mdp_of
from agents.tabular.optimum import Gap
from agents.tabular.planning import expected_score, greedy, value_iteration
from agents.tabular.run import TabularRun
from agents.tabular.settings import PRESETS, TabularSettings
from training.storage.curve import save_figure, subplots

SARSA = {"epsilon": 0.02, "final_epsilon": 0.0, "rate_decay": 0.0, "learning_rate": 0.05}
CAREFUL = {"epsilon": 0.1, "final_epsilon": 0.1, "rate_decay": 0.0, "learning_rate": 0.05}
ROWS: tuple[tuple[str, str, dict[str, float]], ...] = (  # preset, algorithm, what differs from the preset
    ("taxi", "q_learning", {}),
    ("taxi", "random", {"rate_decay": 0.0}),
    ("taxi", "sarsa", SARSA),
    ("taxi", "double_q", {}),
    ("taxi", "double_q", {"rate_decay": 0.0, "learning_rate": 0.5}),
    ("frozenlake", "q_learning", {}),
    ("frozenlake", "random", {}),
    ("frozenlake", "sarsa", SARSA),
    ("frozenlake", "double_q", {}),
    ("cliffwalking", "q_learning", {}),
    ("cliffwalking", "random", {}),
    ("cliffwalking", "sarsa", {**SARSA, "learning_rate": 0.01}),
    ("cliffwalking", "sarsa", {"final_epsilon": 0.0, "learning_rate": 0.1}),
    ("cliffwalking", "sarsa", CAREFUL),
    ("cliffwalking", "q_learning", CAREFUL),
    ("cliffwalking", "double_q", {}),
)
DISCOUNTS = (0.5, 0.9, 0.99)
COLOURS = 64  # palette size, for small files


class Trained(NamedTuple):
    """Results of one run."""

    q: Table
    gap: Gap
    curve: np.ndarray[Any, Any]  # [reports, 3]: agent steps, greedy return, max |V - V*|
    seconds: float  # CPU time


Found = dict[tuple[str, str, str], list[Trained]]  # preset, algorithm, options -> a run per seed


def trained(settings: TabularSettings) -> Trained:
    """Run one training to its end."""
    run, began = TabularRun(settings, settings, Path()), time.process_time()
    while run.clock.now < run.clock.end:
        run.step(run.clock.end)
    seconds = time.process_time() - began
    names = ("exact/greedy_return", "exact/value_error")
    curve = np.array([[record.at, *(record.scalars[name] for name in names)] for record in run.records()])
    assert run.optimum is not None
    run.close()
    return Trained(run.learner.q, run.optimum.gap(run.learner.q), curve, seconds)


def results(seeds: int) -> Found:
    """Train every row with every seed and print the table of docs/tables.md."""
    found: Found = {}
    print("| preset | options beside it | exact return, seeds | optimal | score, exact | error | processor s |")
    print("|---|---|---|---|---|---|---|")
    for preset, algorithm, values in ROWS:
        settings: Any = replace(PRESETS[preset](), algorithm=algorithm, **values)  # type: ignore[arg-type]
        runs = [trained(replace(settings, seed=seed)) for seed in range(seeds)]
        given = " ".join(f"--{name.replace('_', '-')} {value:g}" for name, value in values.items())
        found[preset, algorithm, given] = runs
        returns, scores = (" / ".join(f"{v:.3f}" for v in column) for column in zip(*_figures(runs), strict=True))
        errors = " / ".join(f"{run.gap.value_error:.2f}" for run in runs)
        seconds = f"{min(run.seconds for run in runs):.1f} to {max(run.seconds for run in runs):.1f}"
        told = f"--algorithm {algorithm} {given}".strip()
        best = f"{runs[0].gap.optimal_return:.3f}"
        print(f"| {preset} | `{told}` | {returns} | {best} | {scores} | {errors} | {seconds} |", flush=True)
    return found


def _figures(runs: Iterable[Trained]) -> list[tuple[float, float]]:
    return [(run.gap.greedy_return, run.gap.greedy_score) for run in runs]


def exploration() -> None:
    """Print scores on the cliff with permanent exploration, of policies planned with and without it."""
    mdp = mdp_of("CliffWalking-v1")
    unaware = value_iteration(mdp, 1.0)
    print("\n| epsilon | steps of the best way under it | score, exploring | of the shortest way, exploring |")
    print("|---|---|---|---|")
    for epsilon in (0.0, 0.005, 0.01, 0.05, 0.1, 0.2):
        q = value_iteration(mdp, 1.0, epsilon)
        way, own, short = (
            expected_score(mdp, policy) for policy in (greedy(q), greedy(q, epsilon), greedy(unaware, epsilon))
        )
        print(f"| {epsilon} | {-way:.0f} | {own:.1f} | {short:.1f} |")


def discounts(folder: Path) -> None:
    """Draw V* of the lake for several discounts, and print the scores of their policies."""
    mdp, grid = mdp_of("FrozenLake-v1"), grid_of("FrozenLake-v1")
    assert grid is not None
    tables = {f"discount {discount}": value_iteration(mdp, discount) for discount in DISCOUNTS}
    title = "V* and the optimal action on the slippery lake"
    save(draw_maps(grid, mdp, tables, title, [*tables]), folder / "tables-discount.png")
    print("\n| discount | V* of the start | score of its policy |")
    print("|---|---|---|")
    for discount in (*DISCOUNTS, 0.999):
        q = value_iteration(mdp, discount)
        print(f"| {discount} | {mdp.start @ q.max(axis=1):.4f} | {expected_score(mdp, greedy(q)):.3f} |")


def draw_lake(found: Found, folder: Path) -> None:
    """Draw Q-learning's table of seed 0 next to the optimal one, and the learning curves of all algorithms."""
    lake = PRESETS["frozenlake"]()
    mdp, runs = mdp_of(lake.env), {key[1]: runs[0] for key, runs in found.items() if key[0] == "frozenlake"}
    best = value_iteration(mdp, lake.discount)
    tables = {f"learned in {lake.steps:,} steps": runs["q_learning"].q, "optimal": best}
    draw_to(folder / "tables-lake.png", lake.env, tables, "FrozenLake-v1, Q-learning, seed 0")
    figure, (left, right) = subplots(1, 2, figsize=(9, 3.2))
    for algorithm, run in runs.items():
        steps, returns, errors = run.curve.T
        left.plot(steps / 1000, returns, label=algorithm)
        right.plot(steps / 1000, errors, label=algorithm)
    left.axhline(mdp.start @ best.max(axis=1), color="0.4", linestyle="--", label="optimal")
    left.set(title="FrozenLake-v1: expected return of the greedy policy, exact")
    right.set(title="max |V - V*|")
    left.legend(loc="lower right", fontsize="small")
    for panel in (left, right):
        panel.set(xlabel="thousand agent steps", ylim=(0, None))
        panel.title.set_fontsize("medium")
        panel.grid(alpha=0.3)
    save(figure, folder / "tables-error.png")


def draw_cliff(found: Found, folder: Path) -> None:
    """Draw the greedy policies learned with permanent exploration on the cliff, seed 0."""
    tables = {key[1]: runs[0].q for key, runs in found.items() if "final-epsilon 0.1" in key[2]}
    title = "CliffWalking-v1, one action in ten random for good: the greedy way of what each has learned"
    named = {"Q-learning": tables["q_learning"], "SARSA": tables["sarsa"]}
    draw_to(folder / "tables-cliff.png", PRESETS["cliffwalking"]().env, named, title)


def draw_to(file: Path, env: str, tables: dict[str, Table], title: str) -> None:
    """Draw value maps, coloured by the last table's range."""
    mdp, grid = mdp_of(env), grid_of(env)
    assert grid is not None
    save(draw_maps(grid, mdp, tables, title, [list(tables)[-1]]), file)


def save(figure: Any, file: Path) -> None:
    """Save a figure with few colours."""
    save_figure(figure, file, dpi=100)
    with Image.open(file) as picture:
        small = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    small.save(file, optimize=True)


def main() -> None:
    """Print the tables, and write the figures to a folder."""
    parser = argparse.ArgumentParser(description="Tables against planning.")
    parser.add_argument("--out", type=Path, default=Path("docs"))
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    found = results(options.seeds)
    exploration()
    discounts(options.out)
    draw_lake(found, options.out)
    draw_cliff(found, options.out)


if __name__ == "__main__":
    main()

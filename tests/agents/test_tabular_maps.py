"""Value maps of a table: grids, pictures, and the exact errors and returns in reports."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from agents.tabular.charts import draw_curve
from agents.tabular.evaluate import judged
from agents.tabular.grids import Grid, grid_of
from agents.tabular.maps import value_maps
from agents.tabular.mdp import mdp_of
from agents.tabular.optimum import optimum_of
from agents.tabular.planning import expected_return, greedy, policy_iteration, value_iteration
from agents.tabular.run import TabularRun
from agents.tabular.settings import TabularSettings

LAKE = TabularSettings(env="FrozenLake-v1", steps=1_200, report_every=300)
FIRM = ("FrozenLakeNotSlippery-v1", "CliffWalking-v1", "Taxi-v3", "toy/chain")


@pytest.mark.parametrize("name", FIRM)
def test_arrows_point_where_actions_lead(name: str) -> None:
    """A move leads to the neighbouring cell, or stays at a wall or the edge, unless it ends or falls off the cliff."""
    grid, mdp = grid_of(name), mdp_of(name)
    assert grid is not None
    assert {*grid.moves, *grid.acts} == set(range(mdp.reward.shape[1]))
    moved = kept = 0
    for states in grid.stages.values():
        for (row, column), state in np.ndenumerate(states):
            if not mdp.reachable()[state]:
                continue
            for action, (x, y) in grid.moves.items():
                to = row + y, column + x
                free = 0 <= to[0] < len(states) and 0 <= to[1] < states.shape[1] and not _wall(grid, (row, column), x)
                expected = states[to] if free else state
                following = mdp.transition[state, action]
                moved += bool(following[expected] and free)
                kept += not free
                ended_or_fell = not following.any() or grid.letters.get(to) == "C"
                assert following[expected] == 1 or ended_or_fell, (row, column, action)
    assert moved
    assert kept


def _wall(grid: Grid, cell: tuple[int, int], x: int) -> bool:
    row, column = cell
    return (x == 1 and cell in grid.walls) or (x == -1 and (row, column - 1) in grid.walls)


def test_only_the_acts_that_are_right_there_are_best() -> None:
    """In Taxi's two stages, picking up is best only at Y, and dropping only at B."""
    grid, q = grid_of("Taxi-v3"), value_iteration(mdp_of("Taxi-v3"), 0.99)
    assert grid is not None
    letters = {letter: cell for cell, letter in grid.letters.items()}
    (waiting, aboard), best = grid.stages.values(), q.argmax(axis=1)
    assert (best[waiting[letters["Y"]]], best[aboard[letters["B"]]]) == (4, 5)
    assert np.isin(best[waiting], [*grid.moves]).sum() == np.isin(best[aboard], [*grid.moves]).sum() == 24


def test_a_game_without_a_plane_has_no_map() -> None:
    assert grid_of("CartPole-v1") is None
    optimum = optimum_of(TabularSettings())
    assert optimum is not None
    assert value_maps("CartPole-v1", optimum.q, optimum, 0) == []


@pytest.mark.parametrize("name", ["Taxi-v3", "toy/chain"])
def test_a_table_is_drawn_beside_the_optimal_one(name: str) -> None:
    """A table is drawn as a PNG, also with three states only; different tables give different pictures."""
    optimum = optimum_of(TabularSettings(env=name))
    assert optimum is not None
    one, other = (value_maps(name, q, optimum, 9)[0] for q in (optimum.q, optimum.q[:3]))
    with Image.open(io.BytesIO(one.data)) as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 200
    assert (one.tag, one.at, one.file) == ("table/values", 9, "values.png")
    assert one.data != other.data


def test_a_run_shows_its_table_ten_times_at_most_and_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []

    def draw(env: str, q: Any, optimum: Any, at: int) -> list[str]:
        drawn.append(at)
        return ["picture"]

    monkeypatch.setattr("agents.tabular.run.value_maps", draw)
    run, shown = TabularRun(replace(LAKE, report_every=40), LAKE, Path()), 0
    while run.clock.now < run.clock.end:
        run.step(run.clock.end)
        shown += len(run.pictures()) + len(run.pictures())
    assert drawn[-1] == run.clock.now
    assert len(drawn) == shown <= 11
    run.close()


def test_reports_say_how_far_the_table_is_from_the_optimum() -> None:
    run = TabularRun(LAKE, LAKE, Path())
    while run.clock.now < run.clock.end:
        run.step(run.clock.end)
    mdp, last = mdp_of(LAKE.env), run.records()[-1]
    q, best = run.learner.q, policy_iteration(mdp, LAKE.discount)
    places = mdp.reachable()[: len(q)]
    error = abs(q.max(axis=1) - best.max(axis=1)[: len(q)])[places].max()
    assert last.row is not None
    assert last.row["value_error"] == last.scalars["exact/value_error"] == pytest.approx(error)
    policy = greedy(np.pad(q, ((0, len(best) - len(q)), (0, 0))))
    assert last.row["greedy_return"] == pytest.approx(expected_return(mdp, policy, LAKE.discount))
    assert last.row["optimal_return"] == pytest.approx(float(mdp.start @ best.max(axis=1)))
    assert run.evaluate(lambda done: None).result["exact"]["greedy_return"] == last.row["greedy_return"]
    run.close()


def test_the_optimal_table_has_no_gap_and_a_game_that_tells_nothing_no_optimum() -> None:
    optimum = optimum_of(LAKE)
    assert optimum is not None
    gap = optimum.gap(optimum.q)
    assert (gap.value_error, gap.greedy_return, gap.greedy_score) == (0, gap.optimal_return, gap.optimal_score)
    nothing = optimum.gap(np.empty((0, 4)))
    assert nothing.value_error == pytest.approx(1 - optimum.q.max(axis=1)[optimum.reachable].min()), "all initial_q"
    assert nothing.greedy_return < nothing.optimal_return
    assert optimum_of(replace(LAKE, env="Blackjack-v1")) is None
    result, said = judged(optimum.q, LAKE, None, 2, lambda share: None)
    assert "exact" not in result
    assert "exact" not in said


def test_curves_are_drawn_of_what_there_is(tmp_path: Path) -> None:
    """Curves are drawn without exact values, as of older runs, and without scores; exact values add a panel."""
    head = "seconds,agent_steps,frames,updates,all_lanes,low_epsilon,evaluation"
    tables: dict[str, Any] = {
        "old": f"{head}\n1.0,100,100,100,3.5,,\n",
        "no score": f"{head},value_error,greedy_return,optimal_return\n1.0,100,100,100,,,,0.5,0.1,0.2\n",
        "nothing": f"{head}\n1.0,100,100,100,,,\n",
    }
    heights = {}
    for name, text in tables.items():
        (tmp_path / "curve.csv").write_text(text)
        draw_curve(tmp_path / "curve.csv", tmp_path / "curve.png", name)
        with Image.open(tmp_path / "curve.png") as picture:
            heights[name] = picture.height
    assert heights["old"] == heights["nothing"] < heights["no score"]

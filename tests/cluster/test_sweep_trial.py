"""A configuration as a trial, in this process: its seeds, its checkpoints, its clones; and what is made of its rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune.experiment import Trial

from agents.dqn.presets import catch
from agents.dqn.serial import SerialRun
from cluster.tuning.results import draw, importance, trials_of
from cluster.tuning.schedulers import Halving
from cluster.tuning.space import Range
from cluster.tuning.trial import Plan, SweepTrial
from tests.cluster.helpers import same_tree
from training import checkpoint
from training.csv_table import append_row, drop_half_row, rounds_of
from training.settings import changed

SETTINGS = changed(
    catch(),
    {
        "stop.steps": 360,
        "replay.learning_starts": 60,
        "replay.capacity": 1_000,
        "learner.batch_size": 8,
        "learner.precision": "fp32",
        "learner.device": "cpu",
        "fleet.envs_per_runner": 4,
        "evaluation.every_episodes": 4,
    },
)
CONFIG = {"learner.learning_rate": 1e-3, "learner.target_period": 30, "replay.samples_per_insert": 1.0}
OTHER = {"learner.learning_rate": 3e-4, "learner.target_period": 7, "replay.samples_per_insert": 2.0}
Make = Callable[..., SweepTrial]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[SerialRun]:
    """Every run that trials build, in order."""
    built: list[SerialRun] = []

    class Watched(SerialRun):
        def close(self) -> None:
            built.append(self)
            super().close()

    monkeypatch.setattr("cluster.tuning.trial.SerialRun", Watched)
    return built


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Trials outside of Tune."""
    monkeypatch.setattr("ray.tune.trainable.trainable.DEFAULT_STORAGE_PATH", str(tmp_path / "logs"))

    def trial(config: dict[str, Any], seeds: tuple[int, ...] = (5,)) -> SweepTrial:
        class Lone(SweepTrial):
            def setup(self, config: dict[str, Any]) -> None:
                super().setup(config, Plan(settings=SETTINGS, seeds=seeds, rounds=3, serial=True))

        return Lone(dict(config))

    return trial


def saved(trial: SweepTrial, folder: Path) -> str:
    """A checkpoint where Tune would have it."""
    folder.mkdir()
    trial.save_checkpoint(str(folder))
    return str(folder)


def test_a_score_is_the_mean_of_its_seeds(make: Make, runs: list[SerialRun]) -> None:
    """Every seed is trained to the same agent steps, and each is a training of its own."""
    result = make(CONFIG, seeds=(5, 6)).train()
    assert [run.settings.seed for run in runs] == [5, 6]
    assert result["score"] == pytest.approx(sum(result["scores"]) / 2)
    assert {run.stats.agent_steps for run in runs} == {result["agent_steps"]}
    assert 120 <= result["agent_steps"] < 120 + 4 * 8
    online = [run.learner.state()["online"] for run in runs]
    assert any((online[0][name] != online[1][name]).any() for name in online[0])
    assert result["settings"] == CONFIG
    assert result["scalars"]["learner/loss"] > 0


@pytest.mark.parametrize("reused", [True, False])
def test_a_clone_trains_with_its_own_settings(make: Make, runs: list[SerialRun], tmp_path: Path, reused: bool) -> None:
    """It takes over networks, replay and clocks of its donor, and not one of its settings."""
    donor = make(CONFIG)
    donor.train()
    clone = make(CONFIG if reused else OTHER)
    if reused:
        clone.train()
        assert clone.reset(dict(OTHER))
    clone.restore(saved(donor, tmp_path / "donor"))
    state = [checkpoint.load(checkpoint.latest(trial._seed(5)))["learner"] for trial in (donor, clone)]
    same_tree(*state)
    clone._iteration = donor.iteration  # Tune takes it from the checkpoint's result
    before, result = runs[0], clone.train()
    run = runs[-1]
    assert run.learner.optimizer.param_groups[0]["lr"] == 3e-4
    assert run.settings.learner.target_period == 7
    assert run.limiter.ratio == 2.0
    assert result["settings"] == OTHER
    assert run.stats.agent_steps > before.stats.agent_steps
    assert run.learner.updates > before.learner.updates
    assert before.learner.optimizer.param_groups[0]["lr"] == 1e-3


def test_a_trial_that_comes_back_goes_on_bit_for_bit(make: Make, tmp_path: Path) -> None:
    """Also in another process, and though its donor's files are gone."""
    first, other = make(CONFIG), make(CONFIG)
    first.train()
    folder = saved(first, tmp_path / "kept")
    other.restore(folder)
    for file in sorted(Path(folder).rglob("*")):
        if file.is_file():
            file.unlink()
    other._iteration = 1
    results = [trial.train() for trial in (first, other)]
    assert results[0]["scores"] == results[1]["scores"]
    same_tree(*(checkpoint.load(checkpoint.latest(trial._seed(5)))["learner"] for trial in (first, other)))
    for trial in (first, other):
        trial.cleanup()
        assert not trial.folder.exists()


def test_a_fleet_reserves_a_place_for_each_of_its_actors() -> None:
    """Main process, runners, learner actors: one bundle each, and a GPU's share for who trains on one."""
    fleet = changed(SETTINGS, {"fleet.runners": 3, "fleet.shards": 1, "fleet.learners": 1})
    plan = Plan(settings=fleet, seeds=(0,), rounds=1, serial=False)
    assert plan.bundles() == [{"CPU": 1}] * 5
    assert Plan(settings=SETTINGS, seeds=(0,), rounds=1, serial=True, gpu=0.5).bundles() == [{"CPU": 1, "GPU": 0.5}]


def ledger(folder: Path, rows: list[tuple[str, int, float, float]]) -> Path:
    """A table of (trial, round, score, rate)."""
    table = folder / "rounds.csv"
    columns = ("trial", "round", "score", "agent_steps", "learner.learning_rate")
    for trial, number, score, rate in rows:
        append_row(table, columns, dict(zip(columns, (trial, number, score, 100 * number, rate), strict=True)))
    return table


def test_the_winner_has_trained_to_the_end(tmp_path: Path) -> None:
    """Not one that was stopped with a better score, nor by a score of an earlier round."""
    table = ledger(
        tmp_path,
        [("a", 1, 9.0, 1e-3), ("b", 1, 1.0, 1e-3), ("b", 2, 3.0, 1e-3), ("c", 1, 8.0, 1e-3), ("c", 2, 2.0, 1e-3)],
    )
    assert [row["trial"] for row in trials_of(rounds_of(table))] == ["b", "c", "a"]


def test_a_half_written_row_is_forgotten(tmp_path: Path) -> None:
    table = ledger(tmp_path, [("a", 1, 9.0, 1e-3)])
    with table.open("a") as out:
        out.write("b,1,0.")
    drop_half_row(table)
    append_row(table, ("trial", "round"), {"trial": "c", "round": 1})
    assert [row["trial"] for row in rounds_of(table)] == ["a", "c"]


@pytest.mark.parametrize("resumed", [False, True])
def test_halving_goes_on_judging_after_an_interruption(tmp_path: Path, resumed: bool) -> None:
    """The third trial is worse than both before it: it stops, whether or not the sweep was killed before it came."""
    table = ledger(tmp_path, [("a", 1, 5.0, 1e-3), ("b", 1, 4.0, 1e-3)])
    first = Halving(table, 9)
    first.set_search_properties("score", "max")
    trials = {name: trial(name, done=True) for name in "ab"}
    for name, score in (("a", 5.0), ("b", 4.0)):
        first.on_trial_add(None, trial(name, done=False))
        first.on_trial_result(None, trials[name], {"training_iteration": 1, "score": score})
    judge = first
    if resumed:
        judge = Halving(table, 9)
        judge.set_search_properties("score", "max")
        for old in trials.values():
            judge.on_trial_add(None, old)
    judge.on_trial_add(None, trial("c", done=False))
    assert judge.on_trial_result(None, trial("c", done=True), {"training_iteration": 1, "score": 3.0}) == "STOP"


def trial(name: str, *, done: bool) -> Any:
    """What a scheduler looks at."""
    return SimpleNamespace(trial_id=name, last_result={"training_iteration": 1} if done else {}, status=Trial.RUNNING)


def test_what_matters_is_seen(tmp_path: Path) -> None:
    """Scores that follow one setting alone give it the importance; too few trials give none; the picture is drawn."""
    space = {
        "learner.learning_rate": Range("learner.learning_rate", "log", [1e-4, 1e-2]),
        "replay.n_step": Range("replay.n_step", "integer", [1, 5]),
        "learner.double": Range("learner.double", "choice", [False, True]),
    }
    rows = [
        {
            "trial": f"t{index}",
            "round": "1",
            "agent_steps": "100",
            "score": str(float(index // 8)),
            "learner.learning_rate": str(1e-4 * 100 ** (index / 31)),
            "replay.n_step": str(1 + index % 5),
            "learner.double": str(index % 3 == 0),
        }
        for index in range(32)
    ]
    found = importance(rows, space)
    assert found.keys() == space.keys()
    assert found["learner.learning_rate"] > 0.8
    assert sum(found.values()) == pytest.approx(1.0, abs=0.05)
    assert importance(rows[:3], space) == {}
    draw(tmp_path / "sweep.png", rows, space, "a title")
    assert (tmp_path / "sweep.png").stat().st_size > 10_000

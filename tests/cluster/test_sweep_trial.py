"""Trials of a sweep in this process: seeds, checkpoints, clones, divergence and early stopping."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune.experiment import Trial

from agents.dqn.presets import catch
from agents.dqn.serial import SerialLoop
from agents.dqn.settings import Settings
from agents.dqn.space import SEARCH
from cluster.tuning.schedulers import ResumableASHA
from cluster.tuning.trial import SweepTrial
from cluster.tuning.trial_spec import TrialSpec
from cluster.tuning.tuner import empty_folder
from tests.cluster.helpers import same_tree
from tests.cluster.test_sweep_results import ledger
from training.settings import changed
from training.storage import checkpoint

TINY_DQN: dict[str, Any] = {
    "stop.steps": 360,
    "replay.learning_starts": 60,
    "replay.capacity": 1_000,
    "learner.batch_size": 8,
    "learner.precision": "fp32",
    "learner.device": "cpu",
    "fleet.envs_per_runner": 4,
    "evaluation.every_episodes": 4,
}
SETTINGS = changed(catch(), TINY_DQN)
CONFIG = {"learner.learning_rate": 1e-3, "learner.target_period": 30, "replay.samples_per_insert": 1.0}
OTHER = {"learner.learning_rate": 3e-4, "learner.target_period": 7, "replay.samples_per_insert": 2.0}
Make = Callable[..., SweepTrial]


def spec_of(settings: Settings = SETTINGS, **options: Any) -> TrialSpec:
    """Return a specification of trials of three rounds."""
    usual = {"preset": "catch", "settings": settings, "rounds": 3, "serial": True}
    return TrialSpec(**{**usual, **options})


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[SerialLoop]:
    """Return a list that collects every run of the trials when it closes."""
    built: list[SerialLoop] = []

    class Watched(SerialLoop):
        def close(self) -> None:
            built.append(self)
            super().close()

    monkeypatch.setattr("agents.dqn.run.SerialLoop", Watched)
    return built


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Return a function that makes a trial outside of Tune."""
    monkeypatch.setattr("ray.tune.trainable.trainable.DEFAULT_STORAGE_PATH", str(tmp_path / "logs"))

    def trial(config: dict[str, Any], seeds: tuple[int, ...] = (5,), **options: Any) -> SweepTrial:
        class Lone(SweepTrial):
            def setup(self, config: dict[str, Any]) -> None:
                super().setup(config, spec_of(seeds=seeds, **options))

        return Lone(dict(config))

    return trial


def saved(trial: SweepTrial, folder: Path) -> str:
    """Save a checkpoint of a trial in a new folder, as Tune does, and return the folder."""
    folder.mkdir()
    trial.save_checkpoint(str(folder))
    return str(folder)


def test_a_score_is_the_mean_of_its_seeds(make: Make, runs: list[SerialLoop]) -> None:
    """The score is the mean over the seeds, each trained separately to the same agent steps."""
    result = make(CONFIG, seeds=(5, 6)).train()
    assert [run.settings.seed for run in runs] == [5, 6]
    assert result["score"] == pytest.approx(sum(result["scores"]) / 2)
    assert {run.stats.agent_steps for run in runs} == {result["now"]}
    assert 120 <= result["now"] < 120 + 4 * 8
    online = [run.learner.state()["online"] for run in runs]
    assert any((online[0][name] != online[1][name]).any() for name in online[0])
    assert result["settings"] == CONFIG
    assert result["scalars"]["learner/loss"] > 0


@pytest.mark.parametrize("reused", [True, False])
def test_a_clone_trains_with_its_own_settings(make: Make, runs: list[SerialLoop], tmp_path: Path, reused: bool) -> None:
    """A clone takes over the learner state and counters of its donor and trains on with its own settings."""
    donor = make(CONFIG)
    donor.train()
    clone = make(CONFIG if reused else OTHER)
    if reused:
        clone.train()
        assert clone.reset(dict(OTHER))
    clone.restore(saved(donor, tmp_path / "donor"))
    state = [checkpoint.load(checkpoint.latest(trial._seed(5)))["learner"] for trial in (donor, clone)]
    same_tree(*state)
    clone._iteration = donor.iteration  # Tune sets it from the checkpoint's result
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
    """A restored trial goes on bit for bit like the original, also after its checkpoint's files are deleted."""
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


def test_a_round_is_whole_only_once_it_is_saved(make: Make) -> None:
    """A round whose save falls back to the previous checkpoint is trained again, with the same result."""
    steady, unlucky = make(CONFIG), make(CONFIG)
    for trial in (steady, unlucky):
        trial.train()
    expected, save = steady.train(), SerialLoop.save

    def lose(run: SerialLoop, folder: Path, *also: Any) -> Path:
        run.load(checkpoint.latest(folder))
        patch.undo()
        return save(run, folder, *also)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SerialLoop, "save", lose)
        result = unlucky.train()
    assert (result["now"], result["scores"]) == (expected["now"], expected["scores"])
    same_tree(*(checkpoint.load(checkpoint.latest(trial._seed(5)))["learner"] for trial in (steady, unlucky)))


def test_what_a_killed_trial_leaves_goes_with_the_sweep(make: Make, tmp_path: Path) -> None:
    """Trials work under the sweep's folder, which is emptied of a killed sweep's files before and deleted after it."""
    running = tmp_path / "run" / "running"
    (running / "quarterdeck-trial-old").mkdir(parents=True)
    with empty_folder(running):
        assert list(running.iterdir()) == []
        trial = make(CONFIG, folder=running)
        assert trial.folder.parent == running
        assert saved(trial, tmp_path / "kept")
        assert trial.folder.is_dir()
    assert not running.exists()


def test_a_fleet_reserves_a_place_for_each_of_its_actors() -> None:
    """A fleet's trial reserves a bundle each for main process, runners and learners; a serial one its GPU share."""
    fleet = changed(SETTINGS, {"fleet.runners": 3, "fleet.shards": 1, "fleet.learners": 1})
    assert spec_of(fleet, seeds=(0,), serial=False).bundles() == [{"CPU": 1}] * 5
    assert spec_of(seeds=(0,), gpu=0.5).bundles() == [{"CPU": 1, "GPU": 0.5}]


@pytest.mark.parametrize("stop_diverged", [True, False])
def test_a_configuration_that_diverges_leaves_a_row_and_is_not_tried_again(
    make: Make, tmp_path: Path, stop_diverged: bool
) -> None:
    """A diverged trial gets the worst score, is done with stop_diverged, and trains again from a donor's checkpoint."""
    trial = make({**CONFIG, "learner.learning_rate": 1e30}, seeds=(5, 6), stop_diverged=stop_diverged)
    for _ in range(2):
        result = trial.train()
        assert (result["score"], result["diverged"], result["done"]) == (SEARCH.metric.worst, 1, stop_diverged)
    trial.load_checkpoint(saved(trial, tmp_path / "sick"))
    assert trial.train()["diverged"] == 1
    donor = make(CONFIG, seeds=(5, 6))
    donor.train()
    assert trial.reset(dict(CONFIG))
    trial.load_checkpoint(saved(donor, tmp_path / "donor"))
    assert trial.train()["diverged"] == 0


@pytest.mark.parametrize("resumed", [False, True])
def test_halving_goes_on_judging_after_an_interruption(tmp_path: Path, resumed: bool) -> None:
    """A third trial that is worse than the two before it is stopped, also by a scheduler of a resumed sweep."""
    table = ledger(tmp_path, [("a", 1, 5.0, 1e-3), ("b", 1, 4.0, 1e-3)])
    first = ResumableASHA(table, 9)
    first.set_search_properties("score", "max")
    trials = {name: trial(name, done=True) for name in "ab"}
    for name, score in (("a", 5.0), ("b", 4.0)):
        first.on_trial_add(None, trial(name, done=False))
        first.on_trial_result(None, trials[name], {"training_iteration": 1, "score": score})
    judge = first
    if resumed:
        judge = ResumableASHA(table, 9)
        judge.set_search_properties("score", "max")
        for old in trials.values():
            judge.on_trial_add(None, old)
    judge.on_trial_add(None, trial("c", done=False))
    assert judge.on_trial_result(None, trial("c", done=True), {"training_iteration": 1, "score": 3.0}) == "STOP"


def trial(name: str, *, done: bool) -> Any:
    """Return a stand-in for a Tune trial with the attributes that a scheduler reads."""
    return SimpleNamespace(trial_id=name, last_result={"training_iteration": 1} if done else {}, status=Trial.RUNNING)

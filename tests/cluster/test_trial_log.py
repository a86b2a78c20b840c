"""Sweeps whose trials fail, or whose disk is full: messages, retries and the end, with Tune and small trials."""

from __future__ import annotations

import errno
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray import tune
from ray.tune.experiment import Trial

from agents.dqn.space import SEARCH
from cluster.tuning.trial_log import TrialLog
from cluster.tuning.tuner import folder_of, run_tuner
from tests.cluster.helpers import TIMEOUT
from training.errors import CannotGoOn
from training.storage.csv_table import append_row, rounds_of

ROUNDS = 2


def tuned(test: Any) -> Any:
    """Mark a test in which Tune runs, and ignore Tune's deprecation warnings."""
    for mark in (pytest.mark.ray, pytest.mark.timeout(TIMEOUT), pytest.mark.filterwarnings("ignore")):
        test = mark(test)
    return pytest.mark.usefixtures("ray_cluster")(test)


class Mended(tune.Trainable):
    """A trial that fails in the round `fails` (0: never) as long as the file `mend` is missing."""

    def setup(self, config: dict[str, Any]) -> None:
        self.config = config

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.config = new_config
        return True

    def step(self) -> dict[str, Any]:
        number = self.iteration + 1
        if number == self.config["fails"] and not Path(self.config["mend"]).exists():
            raise FileNotFoundError("no ROM of pong:\nbuy one")
        beside = dict.fromkeys(SEARCH.metric.beside, 0.0)
        told = {"scores": [1.0], "now": 10 * number, "settings": {"fails": self.config["fails"]}, "scalars": {}}
        return {SEARCH.metric.name: 1.0, **beside, **told, "diverged": 0, "done": number == ROUNDS}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        (Path(checkpoint_dir) / "nothing").touch()

    def load_checkpoint(self, checkpoint_dir: str) -> None:
        pass


def run(folder: Path, fails: list[int], *, retries: int = 0, resume: bool = False) -> tune.ResultGrid:
    """Run trials that fail in these rounds (0: never), one at a time."""
    folder.mkdir(exist_ok=True)
    space = {"fails": tune.grid_search(fails), "mend": str(folder / "mend")}
    config = tune.RunConfig(
        name="trials",
        storage_path=str(folder),
        callbacks=[log_of(folder, concurrent=1)],
        failure_config=tune.FailureConfig(max_failures=retries),
        checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=1),
        verbose=0,
    )
    options = {"metric": SEARCH.metric.name, "mode": SEARCH.metric.mode, "trial_dirname_creator": folder_of}
    asked = tune.TuneConfig(max_concurrent_trials=1, reuse_actors=True, **options)
    trainable = tune.with_resources(Mended, {"CPU": 1})

    def make() -> tune.Tuner:
        return tune.Tuner(trainable, param_space=space, tune_config=asked, run_config=config)

    return run_tuner(folder / "trials", trainable, make, resume=resume)


def log_of(folder: Path, concurrent: int) -> TrialLog:
    """Return the log of a sweep of such trials."""
    return TrialLog(folder, ROUNDS, SEARCH.metric, "agent_steps", ("fails",), concurrent)


@tuned
def test_a_trial_that_fails_is_named_once_and_tried_again_by_a_resumed_sweep(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A trial that fails twice is named once while the other one finishes; a resumed sweep retries it with success."""
    assert run(tmp_path, [0, 1], retries=1).num_errors == 1
    (line,) = [line for line in capfd.readouterr().err.splitlines() if "failed" in line]
    assert line.partition(" ")[2] == "failed: FileNotFoundError: no ROM of pong: buy one"
    assert [(row["fails"], row["round"]) for row in rounds_of(tmp_path / "rounds.csv")] == [("0", "1"), ("0", "2")]
    (tmp_path / "mend").touch()
    assert run(tmp_path, [0, 1], resume=True).num_errors == 0
    assert [row["round"] for row in rounds_of(tmp_path / "rounds.csv")] == ["1", "2"] * 2


@tuned
def test_what_fails_in_every_trial_ends_the_sweep(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The sweep ends after the first two of many trials have failed."""
    with pytest.raises(CannotGoOn, match=r"the first 2 trials have failed.* no ROM of pong: buy one; mend that"):
        run(tmp_path, [1] * 9)
    assert capfd.readouterr().err.count(" failed: ") == 2


# The disk is full in the callback for a round, or in that for a trial's end.
@tuned
@pytest.mark.parametrize("writes", ["append_row", "rounds_of"])
def test_a_full_disk_is_told_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: str) -> None:
    """A full disk ends the sweep with its OSError, and the resumed sweep trains the trial to its end and not beyond."""

    def full(*_: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(f"cluster.tuning.trial_log.{writes}", full)
        with pytest.raises(OSError, match="No space left") as told:
            run(tmp_path, [0])
    assert told.value.errno == errno.ENOSPC
    assert run(tmp_path, [0], resume=True).num_errors == 0
    assert [row["round"] for row in rounds_of(tmp_path / "rounds.csv")] == ["1", "2"]


def trial(name: str, began: float | None, status: str, folder: Path) -> Any:
    """Return a stand-in for a Tune trial, with the attributes that the log reads and an error file."""
    (folder / "error.txt").write_text("Failure # 1\nTraceback ...\nKeyError: 'x'\n")
    files = {"pickled_error_file": None, "error_file": str(folder / "error.txt")}
    return SimpleNamespace(trial_id=name, run_metadata=SimpleNamespace(start_time=began), status=status, **files)


@pytest.mark.parametrize(
    ("states", "rounds", "ends"),
    [
        ("EE", 0, True),
        ("EE", 1, False),  # another trial has finished a round, possibly before an interruption
        ("REE", 0, False),  # the first one still runs
        ("EER", 0, True),
        ("E", 0, False),
    ],
)
def test_the_sweep_is_given_up_once_those_that_began_first_have_failed(
    tmp_path: Path, states: str, rounds: int, ends: bool
) -> None:
    """The sweep ends once the first two trials by start time have failed without any finished round, in any order."""
    log, names = log_of(tmp_path, concurrent=2), {"E": Trial.ERROR, "R": Trial.RUNNING}
    trials = [trial(f"t{place}", place, names[state], tmp_path) for place, state in enumerate(states)]
    trials.append(trial("waits", None, Trial.PENDING, tmp_path))
    for number in range(rounds):
        append_row(tmp_path / "rounds.csv", ("trial", "round"), {"trial": "t9", "round": number})
    log.on_trial_error(0, trials[::-1], trials[0])
    with pytest.raises(CannotGoOn, match="round: KeyError: 'x'; mend") if ends else nullcontext():
        log.on_step_end(0, trials)

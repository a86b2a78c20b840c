"""Sweeps on a real Ray cluster: killed and resumed, with several schedulers, as serial loops and as fleets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from agents.dqn.presets import catch
from agents.dqn.settings import Settings
from benchmarks.sweep import finished
from cluster.cli.main import main
from cluster.tuning.plan import trial_spec_of
from cluster.tuning.space import read_space
from cluster.tuning.sweep import Sweep, search
from cluster.workload import ENDLESS
from cluster.workloads import DQN
from tests.cluster.helpers import TIMEOUT, TINY_OWN, read_json, wait_until
from tests.cluster.sweeps import resumed, started, trial_that_trains
from training.settings import changed, flat, from_dict
from training.settings_file import read_settings
from training.storage.csv_table import rounds_of, rows_of
from training.storage.run_dir import RunDir

TINY = {
    "stop.steps": 480,
    "replay.learning_starts": 60,
    "replay.capacity": 1_000,
    "replay.samples_per_insert": 1.0,
    "learner.batch_size": 8,
    "learner.device": "cpu",
    "fleet.envs_per_runner": 4,
    "evaluation.every_episodes": 4,
    "evaluation.episodes": 4,
}
SPACE = '"learner.learning_rate" = {log = [1e-4, 1e-2]}\n"learner.target_period" = {integer = [10, 40]}\n'
ROUNDS = 3
OPTIONS = [
    *(f"--{name.removeprefix('stop.').replace('_', '-')}={value}" for name, value in TINY.items()),
    "--trials=4",
    "--seeds=2",
    f"--rounds={ROUNDS}",
]


@pytest.fixture
def space(tmp_path: Path) -> str:
    """Return the path of a space file with two settings."""
    (tmp_path / "space.toml").write_text(SPACE)
    return str(tmp_path / "space.toml")


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Tune's deprecation warnings
@pytest.mark.timeout(TIMEOUT)
@pytest.mark.usefixtures("ray_cluster")
def test_a_killed_sweep_repeats_no_finished_trial(
    tmp_path: Path,
    space: str,
    gone_in_the_end: list[psutil.Process],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """After SIGKILL a resumed sweep keeps finished trials, and `train` accepts the settings that it finds."""
    run = tmp_path / "run"
    options = [f"--space={space}", *OPTIONS, "--concurrent=2", f"--run-dir={run}"]
    with started("sweep", "catch", *options) as sweep:
        wait_until(lambda: sweep.poll() is not None or finished(run) or None)
        assert sweep.poll() is None, "it has ended too soon"
        children = psutil.Process(sweep.pid).children(recursive=True)
        sweep.kill()
        sweep.wait()
    done, before = finished(run), rows_of(run / "rounds.csv")
    assert 0 < len(done) < 4

    said = resumed(monkeypatch, capsys, "catch", run)
    gone_in_the_end.extend(children)
    rows = rows_of(run / "rounds.csv")
    assert [row for row in rows if row["trial"] in done] == [row for row in before if row["trial"] in done]
    assert len({row["trial"] for row in rounds_of(run / "rounds.csv")} - done) + len(done) >= 4
    for trial in {row["trial"] for row in rows}:
        mine = [int(row["round"]) for row in rows if row["trial"] == trial]
        assert mine[0] == 1
        assert set(np.diff(mine)) <= {0, 1}, "a lost round is trained again, and no other"
    check_what_is_left(run, said)
    check_the_chosen_settings(run, tmp_path / "fresh")


def check_what_is_left(run: Path, said: str) -> None:
    """Check tables, picture, summary, printed lines and TensorBoard with its table of hyperparameters."""
    rounds, summary = rounds_of(run / "rounds.csv"), read_json(run / "summary.json")
    ends = {row["trial"]: row for row in rounds}
    best = ends[summary["trial"]]
    assert int(best["round"]) == ROUNDS
    longest = [float(row["score"]) for row in ends.values() if int(row["round"]) == ROUNDS]
    assert summary["score"] == pytest.approx(max(longest))
    assert (summary["scheduler"], summary["trials"], summary["seeds"]) == ("asha", 4, 2)
    assert said.splitlines()[0].startswith("trial")
    assert "quarterdeck train catch --settings" in said
    assert (run / "sweep.png").stat().st_size > 10_000
    assert len((run / "trials.csv").read_text().splitlines()) == 1 + len(ends)
    assert {file.stem for file in (run / "settings").glob("*.toml")} == set(ends)
    for trial, row in ends.items():
        events = EventAccumulator(str(run / "tensorboard" / trial))
        events.Reload()
        shown = events.Scalars("sweep/score")
        assert shown[-1].value == pytest.approx(float(row["score"]), abs=1e-4)
        assert "learner/loss" in events.Tags()["scalars"]
        assert "hparams" in events.summary_metadata["_hparams_/session_start_info"].plugin_data.plugin_name


def check_the_chosen_settings(run: Path, fresh: Path) -> None:
    """Check that `train --settings` uses exactly the preset, the sweep's options and the values that it found."""
    best = run / "best.toml"
    endless = "--minutes=1e9"  # counted from the start of the test process
    words = ["train", "catch", "--settings", str(best), "--serial", "--steps=100", endless, "--seed=9"]
    assert main([*words, f"--run-dir={fresh}"]) == 0
    assert read_json(fresh / "summary.json")["updates"] > 0
    settings: Settings = from_dict(Settings, read_json(fresh / "run.json")["settings"])
    own = {"seed": 9, "stop.steps": 100, "stop.minutes": ENDLESS}
    assert settings == changed(read_settings(best, catch()), own)
    searched = read_json(run / "summary.json")["settings"]
    assert {name: flat(settings)[name] for name in searched} == searched
    given = {name: value for name, value in TINY.items() if not name.startswith("stop.")}
    assert {name: flat(settings)[name] for name in given} == given
    assert main(["train", "catch", "--settings", str(best), "--learner.gamma=0.5", "--dry-run"]) == 0
    assert main(["train", "catch", "--run-dir", str(fresh), "--resume", "--settings", str(best)]) == 0


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Tune's deprecation warnings
@pytest.mark.timeout(TIMEOUT)
@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.parametrize(("scheduler", "drawn"), [("pbt", "random"), ("asha", "optuna")])
def test_every_way_to_search_comes_to_its_end(tmp_path: Path, space: str, scheduler: Any, drawn: Any) -> None:
    """Sweeps by pbt and by asha with optuna spend their budget on values in range; only pbt adds values in round 2."""
    settings = changed(catch(), {**TINY, "stop.minutes": ENDLESS})
    ranges = read_space(space, settings, DQN.load("search"), DQN.ends)
    options = Sweep(settings=settings, scheduler=scheduler, search=drawn, trials=4, seeds=1, rounds=2, concurrent=2)
    directory = RunDir(tmp_path / "run")
    directory.create({})
    search(options, ranges, trial_spec_of(options, DQN, "catch", serial=True), 2, directory)
    rows = rounds_of(directory.path / "rounds.csv")
    assert 4 * 2 <= len(rows) < 4 * 2 + 2, "the budget is spent, but for a round that ran beside the last"
    assert len({row["trial"] for row in rows}) >= 4
    for row in rows:
        assert 1e-4 <= float(row["learner.learning_rate"]) <= 1e-2
        assert 10 <= int(row["learner.target_period"]) <= 40
    rates = [{row["learner.learning_rate"] for row in rows if row["round"] == number} for number in "12"]
    if scheduler == "pbt":
        assert len(rows) == 8
        assert rates[0] != rates[1], "the worst has changed its settings"
    else:
        assert rates[1] <= rates[0], "nobody changes its settings on the way"


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(TIMEOUT)
def test_a_fleets_death_costs_an_attempt(strangers: Path, space: str) -> None:
    """A trial that trains as a fleet is restarted after SIGKILL, and the sweep finishes all its rounds.

    Its env and network are in a folder outside the project, which the trial's processes import, too.
    """
    run = strangers / "run"
    own = ["--env=my_envs:Dodge-v0", "--network.kind=my_networks:Small", *TINY_OWN, "--no-life-signal"]
    fleet = ["--serial=False", "--trials=1", "--seeds=1", "--scheduler=random", "--rounds=2"]
    options = [f"--space={space}", *OPTIONS, *own, *fleet, "--steps=4000", "--run-dir=run"]
    with started("sweep", "atari", *options, cwd=strangers) as sweep:
        wait_until(lambda: sweep.poll() is not None or rows_of(run / "rounds.csv") or None)
        assert sweep.poll() is None, "it has ended too soon"
        wait_until(lambda: trial_that_trains(sweep)).kill()
        assert list((run / "running").iterdir()), "it worked where every node sees it"
        sweep.wait()
    assert sweep.returncode == 0
    assert not (run / "running").exists(), "nothing is left of what was killed"
    assert [row["round"] for row in rounds_of(run / "rounds.csv")] == ["1", "2"]
    assert list((run / "trials").glob("*/error.txt")), "the death was noticed"
    assert read_json(run / "run.json")["serial"] is False
    assert len(rows_of(run / "trials.csv")) == 1

"""`quarterdeck sweep`: refused commands, dry runs, resources, exit status and the safety of stored pickles."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents.dqn.presets import catch
from cluster.cli.main import main
from cluster.tuning.plan import least_cores, planned, require_comparable, runs_serially
from cluster.tuning.sweep import Sweep
from cluster.workload import ENDLESS
from cluster.workloads import DQN, WORKLOADS, Workload
from tests.cluster.helpers import read_json
from tests.cluster.records import refused
from tests.cluster.test_one_writer import record_of
from training.settings import changed
from training.storage.files import write_json
from training.storage.ownership import require_own
from training.storage.run_dir import RunDir


def test_what_a_person_gets_wrong_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong commands are refused with one line, and nothing is written."""
    run = f"--run-dir={tmp_path / 'run'}"
    assert "use one of pong, quarterdeck, atari" in refused(capsys, "sweep")
    assert "unknown preset 'taxy'" in refused(capsys, "sweep", "taxy", run)
    assert "none of learning" in refused(capsys, "sweep", "catch", "--space=nowhere.toml", run)
    assert "leave --minutes, --score out" in refused(capsys, "sweep", "catch", "--minutes=5", run)
    assert "--scheduler" in refused(capsys, "sweep", "catch", "--scheduler=hyper", run)
    assert "pbt cannot change replay.n_step" in refused(
        capsys, "sweep", "catch", "--space=replay", "--scheduler=pbt", run
    )
    assert "holds no run" in refused(capsys, "sweep", "catch", run, "--resume")
    assert "cannot read" in refused(capsys, "train", "catch", "--settings=nowhere.toml", run)
    (tmp_path / "wrong.toml").write_text('"learner.lr" = 1e-3')
    assert "no setting is called" in refused(capsys, "train", "catch", f"--settings={tmp_path / 'wrong.toml'}", run)
    assert not (tmp_path / "run").exists()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("mine")
    assert "is not an empty directory" in refused(capsys, "sweep", "catch", run)
    assert [file.name for file in (tmp_path / "run").iterdir()] == ["thesis.txt"]


def test_a_sweep_ends_by_steps() -> None:
    with pytest.raises(ValueError, match="leave --minutes"):
        require_comparable(Sweep(settings=catch()), DQN)


def test_a_fleet_with_something_to_share_out_is_no_serial_loop() -> None:
    settings = changed(catch(), {"stop.minutes": ENDLESS, "fleet.runners": 2})
    assert least_cores(Sweep(settings=settings), DQN, "catch") == 3
    with pytest.raises(ValueError, match="--serial True trains in one process"):
        require_comparable(Sweep(settings=settings, serial=True), DQN)


@pytest.mark.parametrize("work", [row for row in WORKLOADS.values() if row.fleet], ids=lambda row: str(row.name))
def test_a_sweep_of_all_that_fleets_train_knows_its_cores(work: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials train as fleets on a machine with room for two fleets, and serially on a smaller one."""
    preset = work.presets[0]
    options: Sweep[Any] = Sweep(settings=changed(work.default(preset), work.endless))
    fleet = options.settings.fleet
    assert sum(bundle["CPU"] for bundle in work.fleet_module().bundles(options.settings)) == 1 + fleet.runners
    for room, serially in ((2 * (1 + fleet.runners), False), (2 * (1 + fleet.runners) - 1, True)):
        monkeypatch.setattr("ray.cluster_resources", lambda room=room: {"CPU": float(room)})
        assert runs_serially(options, work, preset) == serially
    two = replace(options, settings=changed(options.settings, {"fleet.runners": 2}), serial=False)
    assert least_cores(two, work, preset) == 3


@pytest.mark.parametrize(
    ("device", "options", "share", "at_once"),
    [
        ("cuda", {"trials": 4}, 2 / 4, 4),
        ("cuda", {"trials": 20}, 2 / 8, 8),
        ("cuda", {"trials": 4, "concurrent": 3}, 0.6666, 3),
        ("cuda", {"trials": 4, "concurrent": 1}, 1.0, 1),
        ("cuda", {"trials": 4, "gpu": 0.25}, 0.25, 4),
        ("cpu", {"trials": 4}, 0.0, 4),
        ("cpu", {"trials": 4, "gpu": 0.25}, 0.0, 4),
    ],
)
def test_trials_share_cores_and_gpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str, options: dict[str, Any], share: float, at_once: int
) -> None:
    """Trials share eight cores and two GPUs; a share is rounded down, so that the last trial fits."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr("ray.cluster_resources", lambda: {"CPU": 8.0, "GPU": 2.0})
    settings = changed(catch(), {"learner.device": device, "stop.minutes": ENDLESS})
    sweep: Sweep[Any] = Sweep(settings=settings, serial=True, **options)
    spec, concurrent = planned(sweep, DQN, "catch", RunDir(tmp_path))
    assert (spec.gpu, concurrent) == (share, at_once)
    assert spec.bundles() == [{"CPU": 1.0, "GPU": share} if share else {"CPU": 1.0}]
    assert spec.settings == settings


def test_learner_actors_take_gpus_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Learner actors get the trial's GPU, and the trial's main process reserves none."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr("ray.cluster_resources", lambda: {"CPU": 8.0, "GPU": 2.0})
    settings = changed(catch(), {"learner.device": "cuda", "fleet.learners": 1, "stop.minutes": ENDLESS})
    spec, _ = planned(Sweep(settings=settings, trials=2), DQN, "catch", RunDir(tmp_path))
    assert spec.gpu == 0.0
    assert sum(bundle.get("GPU", 0.0) for bundle in spec.bundles()) == 1.0


def test_a_resumed_sweep_changes_nothing_but_its_share_of_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delattr("cluster.cli.sweep.ray_for_tune")
    run = tmp_path / "run"
    run.mkdir()
    write_json(run / "run.json", record_of("sweep", "catch"))
    resume = (f"--run-dir={run}", "--resume")
    for other in ("--steps=99", "--trials=99", "--serial=True"):
        assert "a resumed sweep keeps its settings" in refused(capsys, "sweep", "catch", *resume, other), other
    assert f"{run} is a sweep of catch: name that preset" in refused(capsys, "sweep", "pong", *resume)
    assert "leave --concurrent out" in refused(capsys, "sweep", "catch", *resume, "--concurrent=2")
    assert main(["sweep", "catch", *resume, "--dry-run", "--gpu=0.5"]) == 0
    assert [file.name for file in run.iterdir()] == ["run.json"]
    record = record_of("sweep", "catch")
    write_json(run / "run.json", {**record, "sweep": {**record["sweep"], "concurrent": 2}})
    assert main(["sweep", "catch", *resume, "--dry-run", "--concurrent=2"]) == 0
    assert "leave --concurrent out" in refused(capsys, "sweep", "catch", *resume, "--concurrent=3")


@pytest.mark.parametrize("failed", [0, 2])
def test_failed_trials_show_in_the_exit_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], failed: int
) -> None:
    """Failed trials set exit status 1 and appear in the last line and in summary.json."""
    found = {"trial": "a", "score": 1.0, "eval": None, "failed": failed}
    monkeypatch.setattr("cluster.cli.sweep._search", lambda *_: found)
    run = tmp_path / "a run"
    assert main(["sweep", "catch", f"--run-dir={run}", "--seed=3", "--seeds=4"]) == (1 if failed else 0)
    last = capsys.readouterr().out.splitlines()[-1]
    hint = f"train it with new seeds, 7 and up: quarterdeck train catch --settings '{run / 'best.toml'}' --seed 7"
    assert last.startswith("failed trials: 2, ") if failed else last == hint
    assert read_json(run / "summary.json")["failed"] == failed


class Trap:
    """An object that creates a folder when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.trace),)


@pytest.fixture
def trapped(tmp_path: Path) -> Path:
    """Return a started sweep with traps in place of Tune's state files."""
    run = tmp_path / "run"
    (run / "trials" / "first").mkdir(parents=True)
    write_json(run / "run.json", record_of("sweep", "catch"))
    trap = pickle.dumps(Trap(tmp_path / "trace"))
    for name in ("trials/tuner.pkl", "trials/experiment_state-1.json", "trials/first/.tune_metadata"):
        (run / name).write_bytes(trap)
    (run / "trials-state.zip").write_bytes(b"")
    return run


STATE = [
    "trials",
    "trials/tuner.pkl",
    "trials/experiment_state-1.json",
    "trials/first/.tune_metadata",
    "trials-state.zip",
]


@pytest.mark.parametrize("name", STATE)
def test_pickles_that_others_can_write_are_not_executed(
    trapped: Path, name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resuming is refused before Ray starts or anything is unpickled if other users can write Tune's state."""
    monkeypatch.delattr("cluster.cli.sweep.ray_for_tune")
    (trapped / name).chmod(0o777)
    said = refused(capsys, "sweep", "catch", f"--run-dir={trapped}", "--resume")
    assert f"{trapped / name} can be written by other users" in said
    assert "chmod o-w" in said
    assert not (trapped.parent / "trace").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("name", STATE)
def test_pickles_of_others_are_not_executed(trapped: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    os.chown(trapped / name, 12345, 12345)
    assert f"{trapped / name} can be written" in refused(capsys, "sweep", "catch", f"--run-dir={trapped}", "--resume")
    assert not (trapped.parent / "trace").exists()


def test_what_a_sweep_has_kept_is_its_owners(trapped: Path) -> None:
    """Control: state that only its owner and group can write is accepted, as is missing state, and the trap works."""
    (trapped / "trials").chmod(0o770)  # shared with a trusted group
    require_own(trapped / "trials", trapped / "trials-state.zip", trapped / "nothing")
    pickle.loads((trapped / "trials" / "tuner.pkl").read_bytes())
    assert (trapped.parent / "trace").exists()

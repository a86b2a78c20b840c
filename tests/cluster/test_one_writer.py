"""One process writes to a run directory; a second is refused, and the first one's death makes room."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cluster.cli.main import main
from cluster.cli.options import Address
from cluster.jobs.submission import refuse_two_writers
from cluster.tuning.sweep import Sweep
from cluster.tuning.write import OWN
from cluster.workloads import workload_of
from tests.cluster.helpers import (
    ENDLESS_CARTPOLE,
    PATIENCE,
    TIMEOUT,
    command,
    environment,
    tree,
    wait_until,
)
from tests.cluster.records import checked_summary, refused, saved
from training.settings import changed, to_dict
from training.storage import checkpoint
from training.storage.files import write_json
from training.storage.run_dir import RunDir


@contextmanager
def training(run: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """`quarterdeck train` in a process of its own, once it has saved; killed in the end, if it still lives."""
    log = run.with_suffix(".log")
    with log.open("wb") as out:
        words = command("train", *arguments, "--run-dir", str(run), "--checkpoint-minutes", "0.01")
        process = subprocess.Popen(words, stdout=out, stderr=out, env=environment(), start_new_session=True)
    with process:
        try:
            wait_until(lambda: process.poll() is not None or checkpoint.complete(run / "checkpoints") or None)
            assert process.poll() is None, log.read_text()
            yield process
        finally:
            process.kill()


@pytest.mark.slow
@pytest.mark.timeout(TIMEOUT)
def test_a_second_process_is_refused_until_the_first_is_dead(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    one_lane = "--fleet.envs-per-runner=1"  # saves soon
    with training(run, *ENDLESS_CARTPOLE, one_lane, "--serial") as process:
        said = refused(capsys, "train", "cartpole", "--run-dir", str(run), "--resume")
        assert "is in use by a command that still runs: wait for its end or stop it" in said
        assert process.poll() is None
        here = checkpoint.latest(run / "checkpoints")
        wait_until(lambda: checkpoint.latest(run / "checkpoints") != here or None)
        process.kill()
        process.wait(PATIENCE)
    end = saved(run)["agent_steps"] + 50
    more = ["--steps", str(end), "--minutes=1e9"]  # those of the tests' process count
    assert main(["train", "cartpole", "--run-dir", str(run), "--resume", *more]) == 0
    assert checked_summary(run, episodes=6)["agent_steps"] >= end


def record_of(made_by: str, preset: str) -> dict[str, Any]:
    """What run.json of a run of that command holds."""
    work = workload_of(preset)
    record = {"made_by": made_by, "workload": work.name, "preset": preset, "serial": True}
    if made_by == "train":
        return {**record, "settings": to_dict(work.default(preset))}
    options: Any = Sweep(settings=changed(work.default(preset), work.endless))
    own = {name: getattr(options, name) for name in OWN}
    return {**record, "serial": False, "space": {}, "sweep": own, "settings": to_dict(options.settings)}


@pytest.mark.parametrize("made_by", ["train", "sweep"])
@pytest.mark.parametrize("preset", ["catch", "taxi", "own"])
def test_every_command_that_resumes_asks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], made_by: str, preset: str
) -> None:
    """Before Ray is started, data are loaded or anything is cut back."""
    run, record = tmp_path / "run", record_of(made_by, preset)
    run.mkdir()
    write_json(run / "run.json", record)
    (run / "rounds.csv").write_text("trial,round\n1,")
    before = tree(run)
    with closing(RunDir(run)) as owner:
        owner.claim()
        said = refused(capsys, made_by, preset, "--run-dir", str(run), "--resume")
        assert "is in use by a command that still runs" in said
    assert tree(run) == before
    with closing(RunDir(run)) as owner:
        owner.claim()  # whoever was refused holds nothing


@pytest.mark.parametrize("arguments", [["train", "catch"], ["train", "taxi"], ["train", "own"], ["ablation"]])
def test_two_that_begin_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    """The second is refused, be the first still on its way to its first file."""
    with closing(RunDir(tmp_path / "deep" / "run")) as first:
        first.reserve()
        said = refused(capsys, *arguments, "--run-dir", str(first.path))
        assert "is in use by a command that still runs" in said
        assert "on NFS the lock of a host that vanished lasts some 90 seconds" in said
        first.create({"preset": "pong"})
        assert "already holds a run" in refused(capsys, *arguments, "--run-dir", str(first.path))
    assert [file.name for file in first.path.iterdir()] == ["run.json"]


def test_what_was_only_reserved_is_given_back(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for path in (tmp_path / "mine", tmp_path / "new" / "deep"):
        for _ in range(2):  # the second time as the first
            with closing(RunDir(path)) as directory:
                directory.reserve()
                assert path.is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.parametrize("preset", ["cartpole", "toy-duel"])
def test_a_fleet_that_the_cluster_cannot_hold_leaves_no_claim(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, preset: str
) -> None:
    """The corrected command may have the same directory."""
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    run = tmp_path / "run"
    said = refused(capsys, "train", preset, "--learner.device", "auto", "--run-dir", str(run))
    assert "say --learner.device cpu to train on CPUs" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("theirs", "ours", "same"),
    [
        ("/shared/../shared/x/", "/shared/x", True),
        ("/shared/x", "/shared//x/.", True),
        ("{0}/link/x", "{0}/shared/x", True),
        ("/shared/x", "/shared/y", False),
    ],
)
def test_a_directory_has_one_writer_however_it_is_spelled(tmp_path: Path, theirs: str, ours: str, same: bool) -> None:
    """For jobs of a cluster, before they start."""
    (tmp_path / "shared").mkdir()
    (tmp_path / "link").symlink_to("shared")
    about = {"run_dir": theirs.format(tmp_path)}
    job = SimpleNamespace(
        status=SimpleNamespace(is_terminal=lambda: False), submission_id="pong-s0-abc", metadata=about
    )
    client: Any = SimpleNamespace(list_jobs=lambda: [job])
    with pytest.raises(ValueError, match="still writes to") if same else nullcontext():
        refuse_two_writers(client, {"run_dir": ours.format(tmp_path)}, Address().hint)

"""Sweeps and ablations beside a running Ray, signals under Tune, repaired tables and moved run directories."""

from __future__ import annotations

import shutil
import signal
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import ray

from agents.tabular import settings as tabular
from cluster import workloads
from cluster.cli.ablation import _ablate
from cluster.cli.commands import COMMANDS
from cluster.cli.main import main
from cluster.tuning.ablation_settings import Ablation, lecture
from cluster.tuning.tuner import TuneInterrupt, ray_for_tune
from tests.cluster.helpers import read_json
from tests.cluster.records import refused
from tests.cluster.test_one_writer import record_of
from training.storage.files import write_json
from training.storage.run_dir import RunDir


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_a_sweep_leaves_anothers_ray_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep and an ablation leave a Ray that was already running, as in a notebook, running."""
    with ray_for_tune(1) as interrupt:
        assert not interrupt.raised
    assert ray.is_initialized()

    class Ended(Exception):
        pass

    def train_all(*_: Any) -> Any:
        raise Ended

    monkeypatch.setattr("cluster.cli.ablation.train_all", train_all)
    with pytest.raises(Ended):
        _ablate(Ablation(settings=lecture()), RunDir(tmp_path), 0.0)
    assert ray.is_initialized()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("listens", [False, True])
def test_an_interruption_is_never_lost(number: signal.Signals, listens: bool) -> None:
    """A signal ends the command before Tune has a handler; after that the first goes to Tune and the second ends it."""
    heard: list[int] = []
    before = signal.getsignal(signal.SIGUSR1)
    try:
        with TuneInterrupt() as interrupt:
            if listens:
                signal.signal(signal.SIGUSR1, lambda sent, _: heard.append(sent))
                signal.raise_signal(number)
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(number)
            assert interrupt.raised
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert heard == [signal.SIGUSR1] * listens


def test_a_resumed_gan_sweep_drops_the_half_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A half-written row is removed from rounds.csv before the resumed sweep starts Ray."""
    run = tmp_path / "run"
    run.mkdir()
    write_json(run / "run.json", record_of("sweep", "own"))
    (run / "rounds.csv").write_text("trial,round\na,1\na,2")

    @contextmanager
    def seen(_: int) -> Any:
        assert (run / "rounds.csv").read_text() == "trial,round\na,1\n"
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr("cluster.gan_images.shared", lambda *_: None)
    monkeypatch.setattr("cluster.cli.sweep.ray_for_tune", seen)
    assert main(["sweep", "own", "--run-dir", str(run), "--resume"]) == 130


def test_a_table_is_recorded_under_its_own_preset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "train", COMMANDS["train"]._replace(presets=("taxi", "cab")))
    monkeypatch.setitem(workloads.WORKLOADS, "table", workloads.TABLE._replace(presets=("taxi", "cab")))
    monkeypatch.setitem(tabular.PRESETS, "cab", tabular.taxi)
    run = tmp_path / "run"
    assert main(["train", "cab", "--steps", "2000", "--report-every", "1000", "--run-dir", str(run)]) == 0
    assert read_json(run / "run.json")["preset"] == "cab"
    assert main(["evaluate", str(run), "--episodes", "2"]) == 0


def test_a_sweep_that_was_moved_or_copied_is_not_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sweep is resumed only in its first folder or through a link; from a copy Tune would write into the original."""
    monkeypatch.delattr("cluster.cli.sweep.ray_for_tune")
    first, other, link = tmp_path / "first", tmp_path / "other", tmp_path / "link"
    other.mkdir()
    write_json(other / "run.json", {**record_of("sweep", "catch"), "path": str(first)})
    said = f"{other} was begun as {first} and goes on only there"
    assert said in refused(capsys, "sweep", "catch", f"--run-dir={other}", "--resume")
    shutil.copytree(other, first)
    assert said in refused(capsys, "sweep", "catch", f"--run-dir={other}", "--resume")
    link.symlink_to(first)
    for same in (first, link):
        assert main(["sweep", "catch", f"--run-dir={same}", "--resume", "--dry-run"]) == 0

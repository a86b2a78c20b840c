"""GAN sweeps on real Ray clusters: killed, interrupted, diverged, beside a DQN training."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
from ray import tune

from cluster.gan_images import shared
from cluster.gans import GAN
from cluster.tuning.plan import trial_spec_of
from cluster.tuning.space import Range, range_of
from cluster.tuning.sweep import Sweep, search
from cluster.tuning.tuner import TuneInterrupt
from cluster.tuning.write import write_results
from gan.export import load_generator
from gan.space import LOSS, spaces
from gan.standard.presets import PRESETS
from gan.standard.settings import GanSettings
from tests.cluster.gan_helpers import TINY, TINY_GAN, copy_corners
from tests.cluster.helpers import ENDLESS_CARTPOLE, TIMEOUT, read_json, wait_until
from tests.cluster.records import learns
from tests.cluster.sweeps import resumed, started, trial_that_trains
from training.settings import changed, from_dict
from training.settings_file import read_settings
from training.storage.csv_table import rounds_of, rows_of
from training.storage.run_dir import RunDir

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(TIMEOUT)]
ROUND = 2_000  # images: under a second on an idle core


def rows_or_end(sweep: subprocess.Popen[str], run: Path, count: int) -> None:
    """Wait for so many rounds."""
    wait_until(lambda: sweep.poll() is not None or len(rows_of(run / "rounds.csv")) >= count or None)
    assert sweep.poll() is None, "it has ended too soon"


@pytest.mark.filterwarnings("ignore")  # Tune's own, of its own deprecations
@pytest.mark.usefixtures("ray_cluster")
def test_a_population_survives_kills_and_interruptions(
    tmp_path: Path, corners: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """SIGKILL of a trial, Ctrl-C on the terminal: each trial goes on from its last round, trains its images once."""
    run, data = tmp_path / "run", copy_corners(corners, tmp_path)
    images = ["--scheduler=pbt", "--trials=4", "--seeds=1", "--rounds=3", f"--images={3 * ROUND}", "--seed=5"]
    options = [f"--data={data}", *TINY_GAN, *images, "--concurrent=2", f"--run-dir={run}"]
    with started("sweep", "own", *options) as sweep:
        rows_or_end(sweep, run, 4)
        wait_until(lambda: trial_that_trains(sweep)).kill()
        rows_or_end(sweep, run, 7)
        os.killpg(sweep.pid, signal.SIGINT)
        said, _ = sweep.communicate()
    assert sweep.returncode == 0
    assert f"saved; resume with: quarterdeck sweep own --run-dir {run} --resume" in said
    assert list((run / "trials").glob("*/error.txt")), "the killed trial was noticed"
    assert len(rounds_of(run / "rounds.csv")) < 12

    said = resumed(monkeypatch, capsys, "own", run, "--concurrent=2")
    for trial in {row["trial"] for row in rows_of(run / "rounds.csv")}:
        mine = [int(row["round"]) for row in rows_of(run / "rounds.csv") if row["trial"] == trial]
        assert mine[0] == 1
        assert set(np.diff(mine)) <= {0, 1}, "a lost round is trained again, and no other"
        assert mine[-1] == 3
    rounds = rounds_of(run / "rounds.csv")
    assert len(rounds) == 12
    for number in range(1, 4):
        seen = {row["images"] for row in rounds if row["round"] == str(number) and row["diverged"] == "0"}
        assert seen == {str(number * ROUND)}
    check_what_is_left(run, rounds, said)


def check_what_is_left(run: Path, rounds: list[dict[str, Any]], said: str) -> None:
    """Tables, winner, generator, pictures; values in bounds; no arrays in Tune's files."""
    settings = from_dict(GanSettings, read_json(run / "run.json")["settings"])
    assert read_json(run / "run.json")["data"] == shared(settings, run).data.digest()
    for name, line in spaces(settings)["learning"].items():
        for kind, values in line.items():
            low, high = values[0], values[-1]
            assert all(row[name] in values if kind == "choice" else low <= float(row[name]) <= high for row in rounds)
    assert {row["loss.weight"] for row in rounds} > {rounds[0]["loss.weight"]}
    summary, card = read_json(run / "summary.json"), read_json(run / "generator" / "generator.json")
    diverged = sum(int(row["diverged"]) for row in rounds)
    assert summary["trained_images"] == 12 * ROUND
    assert (summary["scheduler"], summary["trials"], summary["seed"]) == ("pbt", 4, 5)
    assert summary["fd_clf"] == summary["eval"]["select_fd_clf"]
    assert summary["fd_clf"] == pytest.approx(min(float(row["fd_clf"]) for row in rounds))
    assert summary["eval"]["fd_clf"] != summary["fd_clf"]
    assert (card["scores"]["part"], card["scores"]["fd_clf"]) == ("report", summary["eval"]["fd_clf"])
    assert load_generator(run / "generator").sample(3).shape == (3, 1, 8, 8)
    assert read_settings(run / "best.toml", PRESETS["own"]()).loss.weight == summary["settings"]["loss.weight"]
    assert len((run / "trials.csv").read_text().splitlines()) == 5
    assert said.splitlines()[0].startswith("trial")
    assert {"sweep.png", "samples.png", "walk.gif", "nearest.png"} <= {file.name for file in run.iterdir()}
    assert len(list((run / "pictures").glob("*.png"))) >= 12 - diverged
    results = [line for file in run.glob("trials/*/result.json") for line in file.read_text().splitlines()]
    assert results
    assert max(map(len, results)) < 4_000
    assert main_sample(run) == 0


def main_sample(run: Path) -> int:
    """`quarterdeck sample` knows a sweep's directory too."""
    from cluster.cli.main import main

    return main(["sample", str(run), "--out", str(run / "grid.png")])


def living_trials() -> set[str]:
    """Actors of trials that are alive on the test's cluster."""
    actors = ray._private.state.actors().items()
    return {name for name, a in actors if a["State"] == "ALIVE" and "ResourceTrainable" in a["ActorClassName"]}


@pytest.fixture
def _signals() -> Any:
    interrupt = TuneInterrupt()
    yield
    interrupt.restore()


@pytest.mark.filterwarnings("ignore")  # Tune's own, of its own deprecations
@pytest.mark.parametrize("scheduler", ["pbt", "asha", "random"])
@pytest.mark.usefixtures("ray_cluster", "_signals")
def test_a_diverged_trial_takes_no_place_for_ever(
    tmp_path: Path, corners: Path, monkeypatch: pytest.MonkeyPatch, scheduler: Any
) -> None:
    """A population replaces it by a donor's clone; elsewhere it ends, and the next trial has its place."""
    settings = changed(PRESETS["own"](), {**TINY, "data.source": copy_corners(corners, tmp_path)})
    settings = changed(settings, {"training.images": 600, "training.generator_rate": 1e-3})
    rates = iter([1e30, *[1e-3, 2e-3] * 4])
    lines = {"training.generator_rate": {"log": [1e-4, 1e-2]}, LOSS: {"choice": ["hinge/r1"]}}
    space = {name: range_of(name, line, GanSettings, GAN.load("search"), GAN.ends) for name, line in lines.items()}
    first, drawn = [tune.sample_from(lambda _: next(rates))], Range.domain  # later a population asks for its mutations
    monkeypatch.setattr(Range, "domain", lambda r: first.pop() if r.kind == "log" and first else drawn(r))
    options = Sweep(settings=settings, scheduler=scheduler, trials=3, seeds=1, rounds=3, concurrent=1)
    directory = RunDir(tmp_path / "run")
    directory.create({})
    spec, data = trial_spec_of(options, GAN, "own", serial=True), shared(settings, directory.path)
    grid = search(options, space, spec, 1, directory, data)
    rounds = rounds_of(directory.path / "rounds.csv")
    sick = rounds[0]["trial"]
    assert [(row["round"], row["diverged"]) for row in rounds if row["trial"] == sick] == (
        [("1", "1"), ("2", "0"), ("3", "0")] if scheduler == "pbt" else [("1", "1")]
    )
    well = [row for row in rounds if row["trial"] != sick]
    assert len(well) == {"pbt": 6, "asha": 8, "random": 6}[scheduler], "asha gives away what a trial does not use"
    assert len({row["trial"] for row in well}) >= (3 if scheduler == "asha" else 2)
    assert {row["diverged"] for row in well} == {"0"}
    assert all(float(row["training.generator_rate"]) <= 1e-2 for row in rounds[3:])
    found = write_results(options, space, spec, directory, grid, data)
    assert found["fd_clf"] < 1e5
    assert found["trial"] in {row["trial"] for row in rounds}
    assert found["eval"]["fd_clf"] > 0


@pytest.mark.usefixtures("ray_cluster")
def test_a_sweep_and_a_dqn_training_share_a_cluster(tmp_path: Path, corners: Path) -> None:
    """Both make progress at the same time on four cores, and the sweep keeps to its two."""
    address = {"RAY_ADDRESS": ray.get_runtime_context().gcs_address, "RAY_AUTH_MODE": "disabled"}
    gan, dqn, data = tmp_path / "gan", tmp_path / "dqn", copy_corners(corners, tmp_path)
    trials = ["--scheduler=pbt", "--trials=3", "--seeds=1", "--concurrent=2"]
    endless = [*trials, "--rounds=9000", "--images=9000000"]  # rounds half as long as above: nothing is killed in them
    options = [f"--data={data}", *TINY_GAN, *endless, f"--run-dir={gan}"]
    with (
        started("sweep", "own", *options, **address) as sweep,
        started("train", *ENDLESS_CARTPOLE, f"--run-dir={dqn}", **address) as training,
    ):
        both, table = (sweep, training), gan / "rounds.csv"
        wait_until(lambda: any(p.poll() is not None for p in both) or (len(rows_of(table)) > 3 and learns(dqn)) or None)
        rounds, size, seen = len(rows_of(table)), (dqn / "curve.csv").stat().st_size, set[str]()
        while len(rows_of(table)) < rounds + 3 or (dqn / "curve.csv").stat().st_size == size:
            assert [p.poll() for p in both] == [None, None], "both go on"
            now = living_trials()
            seen |= now
            # A trial that hands its place on may end after the next one has begun; a third one would stay.
            wait_until(lambda now=now: len(now & living_trials()) <= 2 or None)
            time.sleep(0.05)  # sweep and training want the cores
        assert seen
        for process in both:
            os.kill(process.pid, signal.SIGTERM)
        said = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert all("saved; resume with" in text for text in said)

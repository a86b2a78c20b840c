"""The contract of every workload with the session, `evaluate` and sweeps. Most tests run for every workload."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.cli.main import main
from cluster.tuning.trial import SweepTrial
from cluster.tuning.trial_spec import TrialSpec
from cluster.workloads import WORKLOADS, Workload
from tests.cluster.goes_on import other_process
from tests.cluster.helpers import read_json, same_tree
from tests.cluster.sources import source_of
from tests.cluster.tiny import DIVERGES, TINY
from tests.games_for_two import needs_two
from training.run import Run
from training.settings import changed, flat, to_dict
from training.storage import checkpoint
from training.storage.csv_table import rows_of

TURNS = 2
HALVED = ("dqn", "recurrent", "table", "cycle", "cloning", "offline")  # half a round is enough for these


class Kind:
    """One workload, with settings that train quickly."""

    def __init__(self, work: Workload, corners: Path, folder: Path) -> None:
        self.work, self.folder = work, folder
        self.preset, values = TINY[work.name]
        self.source = source_of(work.name, corners, folder)
        self.settings = work.adapted(self.preset, changed(work.default(self.preset), {**values, **self.source}))

    def make(self, folder: str = "run") -> Run:
        """Return a new run in this process."""
        return self.work.new_run(self.preset, self.settings, self.folder / folder, serial=True)

    def trial(self, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        """Train the only round of a sweep's trial outside of Tune, and return its result."""
        monkeypatch.setattr("ray.tune.trainable.trainable.DEFAULT_STORAGE_PATH", str(self.folder / "logs"))
        if self.work.name in HALVED:
            self.settings = changed(self.settings, {self.work.end: flat(self.settings)[self.work.end] // 2})
        spec = TrialSpec(preset=self.preset, settings=self.settings, seeds=(3, 4), rounds=1, serial=True)
        shared = self.work.load("share")(self.settings, self.folder / "run") if self.work.share else None

        class Lone(SweepTrial):
            def setup(self, config: dict[str, Any]) -> None:
                super().setup(config, spec, shared)

        trial = Lone(config)
        result: dict[str, Any] = trial.train()
        trial.cleanup()
        return result


@pytest.fixture(params=WORKLOADS)
def kind(request: pytest.FixtureRequest, corners: Path, tmp_path: Path) -> Kind:
    """Return each workload in turn."""
    return Kind(WORKLOADS[request.param], corners, tmp_path)


def trained(run: Run, turns: int = TURNS) -> Run:
    """Let a run take some steps and return it."""
    for _ in range(turns):
        run.step(run.clock.end)
    return run


@pytest.fixture(scope="module")
def go_on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[list[Any]], None]]:
    """Return a function that continues a run in another process, shared by all kinds to detect state left by one."""
    with other_process(tmp_path_factory.mktemp("other") / "errors") as call:
        yield call


def parts_of(saved: Path) -> list[str]:
    """Return the paths of a checkpoint and of those within it: of replay, a league, an exploiter."""
    return sorted(str(file.parent.relative_to(saved)) for file in saved.rglob("state.json"))


def goes_on(kind: Kind, go_on: Callable[[list[Any]], None]) -> Path:
    """Train, save and continue in both processes; check that the next checkpoints are equal and return this one's."""
    run = trained(kind.make())
    saved = run.save(kind.folder / "saved")
    before = run.clock
    own = trained(run).save(kind.folder / "own")
    assert before.now < run.clock.now
    other = kind.folder / "other"
    given = [kind.work.name, kind.preset, to_dict(kind.settings), str(saved), str(other), TURNS]
    go_on(given)
    (found,) = checkpoint.complete(other)
    assert found.name == own.name
    assert parts_of(found) == parts_of(own)
    for part in parts_of(own):
        same_tree(checkpoint.load(found / part), checkpoint.load(own / part))
    run.close()
    run.close()
    return own


def test_it_goes_on_in_another_process_bit_for_bit(kind: Kind, go_on: Callable[[list[Any]], None]) -> None:
    own = goes_on(kind, go_on)
    assert ("replay-0" in parts_of(own)) == hasattr(kind.settings, "replay")
    assert ("league" in parts_of(own)) == hasattr(kind.settings, "league")


def test_priorities_go_on_in_another_process_too(
    corners: Path, tmp_path: Path, go_on: Callable[[list[Any]], None]
) -> None:
    kind = Kind(WORKLOADS["dqn"], corners, tmp_path)
    kind.settings = changed(kind.settings, {"replay.prioritized": True, "seed": 5})
    assert checkpoint.load(goes_on(kind, go_on) / "replay-0", only="tree")["tree"] is not None


def test_it_says_what_it_does(kind: Kind) -> None:
    """A run has the workload's clock, rows with columns that it declared, and numbers as scalars."""
    run = kind.make()
    assert (run.clock.name, run.clock.now) == (kind.work.clock, 0)
    trained(run)
    run.finish()
    records = run.records()
    assert records
    assert all(record.at <= run.clock.now for record in records)
    rows = [record.row for record in records if record.row is not None]
    assert rows
    assert {name for row in rows for name in row} & set(run.about.columns)
    assert all(isinstance(value, int | float) for record in records for value in record.scalars.values())
    assert run.about.compared.keys() == run.about.defaults.keys()
    assert len(run.line()) < 60
    assert run.goal_reached() is False
    run.close()


def test_it_is_judged_at_any_time_and_in_the_end(kind: Kind) -> None:
    run, metric = trained(kind.make()), kind.work.load("search").metric
    judgement = run.judge()
    assert math.isfinite(judgement.score)
    assert metric.better(judgement.score) < metric.better(metric.worst)
    assert judgement.beside.keys() >= set(metric.beside)
    seen: list[float] = []
    closing = run.evaluate(seen.append)
    assert all(0 <= share <= 1 for share in seen)
    assert math.isfinite(closing.score)
    json.dumps({**closing.result, **run.summary()})
    run.close()


def test_a_session_drives_it(kind: Kind, capsys: pytest.CaptureFixture[str]) -> None:
    """Each kind is trained, resumed and evaluated from the command line and writes the common files."""
    run, end = kind.folder / "run", f"--{kind.work.end.rpartition('.')[2].replace('_', '-')}"
    words = [
        f"--{name.removeprefix('stop.').removesuffix('.id').replace('_', '-')}={value}"
        for name, value in TINY[kind.work.name][1].items()
    ]
    source = [f"--{name.removesuffix('.source')}={value}" for name, value in kind.source.items()]
    assert main(["train", kind.preset, *words, *source, "--serial", f"--run-dir={run}"]) == 0
    record, summary = read_json(run / "run.json"), read_json(run / "summary.json")
    assert (record["made_by"], record["workload"], record["preset"]) == ("train", kind.work.name, kind.preset)
    files = {"run.json", "summary.json", "curve.csv", "curve.png", "tensorboard", "checkpoints"}
    assert files <= {path.name for path in run.iterdir()}
    common = {kind.work.clock, "seconds", "seconds_with_evaluation", "eval", "checkpoint", "seed", "commit"}
    assert common <= summary.keys()
    assert int(rows_of(run / "curve.csv")[-1][kind.work.clock]) == summary[kind.work.clock]
    longer = 2 * summary[kind.work.clock]
    assert main(["train", kind.preset, f"--run-dir={run}", "--resume", f"{end}={longer}"]) == 0
    assert read_json(run / "summary.json")[kind.work.clock] >= longer
    games = ["--episodes=4"] if "episodes" in kind.work.judged_by else []
    assert main(["evaluate", str(run), *games]) == 0
    assert capsys.readouterr().out.count("\n") == 3, "a line for each"
    assert list(run.glob("evaluation-*.json"))


def test_a_round_of_a_sweep_is_a_row(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    metric = kind.work.load("search").metric
    result = kind.trial({}, monkeypatch)
    assert math.isfinite(result[metric.name])
    assert len(result["scores"]) == 2
    assert (result["diverged"], result["done"]) == (0, False)
    assert result.keys() >= set(metric.beside)
    assert result["now"] >= flat(kind.settings)[kind.work.end]


@pytest.mark.parametrize("name", DIVERGES)
def test_what_diverges_is_a_row_and_is_not_tried_again(
    name: str, corners: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = Kind(WORKLOADS[name], corners, tmp_path)
    metric = kind.work.load("search").metric
    result = kind.trial(DIVERGES[name], monkeypatch)
    assert (result[metric.name], result["diverged"], result["done"]) == (metric.worst, 1, True)


NEEDS = {"pong-duel": needs_two}


@pytest.mark.parametrize(
    "preset",
    [pytest.param(p, marks=NEEDS.get(p, ())) for work in WORKLOADS.values() for p in work.presets],
)
@pytest.mark.parametrize("command", ["train", "sweep"])
def test_every_preset_can_be_looked_at(
    command: str, preset: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--dry-run prints the settings of every preset and writes nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main([command, preset, "--dry-run", "--seed=7"]) == 0
    assert json.loads(capsys.readouterr().out)["settings"]["seed"] == 7
    assert list(tmp_path.iterdir()) == []

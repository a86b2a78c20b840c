"""The ablation: differences of its stages, its verdicts and intervals, its figure and its error messages."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.dqn.serial import SerialLoop
from agents.dqn.settings import Settings
from agents.replay.no_replay import NoReplay
from cluster.cli.main import main
from cluster.tuning.ablation import train_all, trained
from cluster.tuning.ablation_figure import bar_lines, bars_of, mean_interval
from cluster.tuning.ablation_settings import NAIVE, STAGES, WITHOUT, lecture, stages
from tests.cluster.helpers import TIMEOUT, read_json
from tests.cluster.records import refused
from training.errors import CannotGoOn
from training.settings import changed, flat
from training.storage.run_dir import RunDir

TINY = {
    "stop.steps": 160,
    "replay.learning_starts": 80,
    "replay.capacity": 1_000,
    "learner.batch_size": 8,
    "learner.device": "cpu",
    "evaluation.episodes": 4,
}


def test_every_stage_adds_one_trick() -> None:
    """Each stage adds one trick's settings, up to the full recipe; replay is a class and changes no setting."""
    made = list(stages(lecture()).values())
    assert made[-1] == lecture()
    for before, after, trick in zip(made[:-1], made[1:], WITHOUT, strict=True):
        names = {name for name, value in flat(after).items() if value != flat(before)[name]}
        assert names == set(WITHOUT[trick])
    naive = made[0]
    assert naive.learner.target_period == 1
    assert naive.learner.loss == "squared"
    assert naive.learner.reward_clip == 0.0
    assert naive.exploration.anneal_steps == 1


def test_only_the_naive_loop_learns_from_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the naive loop trains with `NoReplay`; both stages sample 4 transitions per step after learning starts."""
    seen: dict[str, Any] = {}

    class Watched(SerialLoop):
        def close(self) -> None:
            seen["replay"] = self.replay
            super().close()

    monkeypatch.setattr("cluster.tuning.ablation.SerialLoop", Watched)
    for stage, settings in list(stages(changed(lecture(), TINY)).items())[:2]:
        row = trained(stage, settings)
        assert isinstance(seen["replay"], NoReplay) is (stage == NAIVE)
        assert (row["stage"], row["seed"]) == (stage, 0)
        assert 160 <= row["agent_steps"] < 160 + 8
        assert row["updates"] == int(4.0 * (row["agent_steps"] - 80) // 8)
        assert -100 <= row["score"] <= 100


def rows_of(scores: dict[str, list[float]]) -> list[dict[str, Any]]:
    """Return result rows of trainings, in reverse order, since trainings end in any order."""
    rows = [
        {"stage": stage, "seed": seed, "score": score}
        for stage, values in scores.items()
        for seed, score in enumerate(values)
    ]
    return rows[::-1]


def test_verdicts_say_what_is_seen() -> None:
    """A trick helps or hurts only if the interval of its differences by seed excludes 0; else no difference is seen."""
    bars = bars_of(
        rows_of({"a": [1, 2, 3], "b": [11, 12, 13], "c": [11, 12, 13], "d": [9, 14, 12], "e": [0, 1, 2]}),
        tuple("abcde"),
    )
    verdicts = ["the start", "helps", "no difference seen", "no difference seen", "hurts"]
    assert [bar.verdict for bar in bars] == verdicts
    assert bars[0].scores == [1, 2, 3]
    assert bars[1].change == (10.0, 10.0)
    assert all(bar.interval[0] <= bar.mean <= bar.interval[1] for bar in bars)
    assert "no difference seen: +0.00 to +0.00" in bar_lines(bars)[2]


def test_an_interval_holds_the_mean_as_often_as_it_says() -> None:
    """86% to 99% of 150 intervals of 20 normal values hold the true mean (the bootstrap is a little narrow)."""
    rng = np.random.default_rng(1)
    held = [low <= 3.0 <= high for low, high in (mean_interval(rng.normal(3.0, 2.0, 20)) for _ in range(150))]
    assert 0.86 <= np.mean(held) <= 0.99


@pytest.mark.ray
@pytest.mark.timeout(TIMEOUT)
@pytest.mark.usefixtures("ray_cluster")
def test_a_training_that_fails_is_named_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed training raises a one-line error with its stage, seed and message, without Ray's traceback."""

    def diverges(stage: str, settings: Settings) -> dict[str, Any]:
        if (stage, settings.seed) == (STAGES[1], 4):
            raise FloatingPointError("the loss is nan:\nlower the learning rate")
        return {"stage": stage, "seed": settings.seed, "score": 0.0}

    monkeypatch.setattr("cluster.tuning.ablation.trained", diverges)
    told = "+ experience replay, seed 4: FloatingPointError: the loss is nan: lower the learning rate; mend that"
    with pytest.raises(CannotGoOn, match=re.escape(told)) as failed:
        train_all(changed(lecture(), {"seed": 3}), 2, RunDir(tmp_path))
    assert "\n" not in str(failed.value)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(TIMEOUT)
@pytest.mark.usefixtures("ray_cluster")
def test_the_figure_comes_with_its_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    tiny = [f"--{name.removeprefix('stop.').replace('_', '-')}={value}" for name, value in TINY.items()]
    assert main(["ablation", *tiny, "--seeds=2", f"--run-dir={run}"]) == 0
    with (run / "ablation.csv").open() as table:
        rows = list(csv.DictReader(table))
    assert {(row["stage"], row["seed"]) for row in rows} == {(stage, seed) for stage in STAGES for seed in "01"}
    summary = read_json(run / "summary.json")
    for found in summary["stages"]:
        mine = [float(row["score"]) for row in rows if row["stage"] == found["stage"]]
        assert found["mean"] == pytest.approx(np.mean(mine))
        assert found["interval"][0] <= found["mean"] <= found["interval"][1]
    assert (run / "ablation.png").stat().st_size > 10_000
    said = capsys.readouterr().out
    assert all(stage in said for stage in STAGES)


def test_what_a_person_gets_wrong_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = f"--run-dir={tmp_path / 'run'}"
    assert "use 2 or more for an interval" in refused(capsys, "ablation", "--seeds=1", run)
    assert "did you mean toy/catch" in refused(capsys, "ablation", "--env=toy/cach", run)
    assert "one process without priorities" in refused(capsys, "ablation", "--fleet.runners=2", run)
    assert "trains on a core each" in refused(capsys, "ablation", "--learner.device=cuda", run)
    for word in ("--minutes=5", "--minutes=10", "--score=3"):
        assert "an ablation ends by --steps" in refused(capsys, "ablation", word, "--dry-run")
    assert not (tmp_path / "run").exists()
    assert main(["ablation", "--dry-run"]) == 0
    assert "experience replay" in capsys.readouterr().out

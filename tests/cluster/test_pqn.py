"""A run of PQN is served wherever a policy of a network is asked for, and a run without one is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from agents.export import load_policy
from agents.playback.frames_dataset import player_of
from agents.pqn.settings import PqnSettings
from agents.saved_policy import policy_of
from cluster.cli.main import main
from cluster.workloads import settings_of_run
from tests.cluster.records import checked_summary, refused, scalars
from tests.cluster.tiny import TINY_PQN
from training.storage import checkpoint
from training.storage.run_dir import RunDir


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A moment of toy/catch."""
    folder = tmp_path_factory.mktemp("pqn") / "run"
    values = {name: value for name, value in TINY_PQN.items() if not name.startswith("stop.")}
    words = [f"--{name.removesuffix('.id').replace('_', '-')}={value}" for name, value in values.items()]
    assert main(["train", "pqn", *words, "--serial", "--steps=400", "--minutes=1e9", f"--run-dir={folder}"]) == 0
    return folder


def test_it_leaves_what_every_run_does(run: Path) -> None:
    summary = checked_summary(run, episodes=4)
    assert summary["agent_steps"] >= 400
    assert summary["samples_per_insert"] == 2.0
    seen = scalars(run)
    for name in ("learner/loss", "learner/td_error", "acting/epsilon_mean", "acting/q_max_mean"):
        assert seen[name], name


def test_it_is_watched_exported_and_reported(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", str(run), "--out", str(tmp_path / "game.mp4"), "--values"]) == 0
    assert "points is in" in capsys.readouterr().out
    assert main(["export", str(run), "--out", str(tmp_path / "policy")]) == 0
    settings = settings_of_run(RunDir(run).record())
    assert isinstance(settings, PqnSettings)
    own = policy_of(checkpoint.load(checkpoint.latest(run / "checkpoints")), settings)
    frames = torch.randint(0, 256, (5, 2, 84, 84), dtype=torch.uint8)
    exported = load_policy(tmp_path / "policy")
    weights = exported.network.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in own.network.state_dict().items())
    assert exported(frames).shape == (5, 3)
    assert main(["report", str(run), "--out", str(tmp_path / "report")]) == 0
    assert "pqn" in (tmp_path / "report" / "scores.csv").read_text()


def test_its_policy_plays_for_a_data_set(run: Path) -> None:
    player = player_of(str(run), settings_of_run)
    assert player.checkpoint == checkpoint.latest(run / "checkpoints").absolute()
    assert isinstance(player.settings, PqnSettings)


def test_it_is_judged_under_another_protocol(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["evaluate", str(run), "--episodes", "6", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["episodes"], len(result["scores"])) == (6, 6)
    assert result["agent_steps"] >= 400


def test_its_rules_are_those_of_its_env(capsys: pytest.CaptureFixture[str]) -> None:
    """A game keeps the preset's, another env has none of Atari's."""
    for env, life_signal in (("ALE/Breakout-v5", True), ("toy/catch", False)):
        assert main(["train", "pqn", f"--env={env}", "--dry-run"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["settings"]["env"]["life_signal"] is life_signal
        assert told["replay_gib"] == 0
    assert "use mlp" in refused(capsys, "train", "pqn", "--env=CartPole-v1")
    assert "use 0" in refused(capsys, "train", "pqn", "--evaluation.every-steps=9")

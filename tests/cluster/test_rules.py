"""A preset's rules for Atari games, in envs that are not Atari games."""

from __future__ import annotations

import builtins
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from agents.dqn.check import for_its_env
from agents.dqn.presets import PRESETS
from cluster.cli.main import main
from envs import EnvSettings
from tests.cluster.helpers import TINY_CATCH, read_json
from tests.cluster.records import refused


def test_rules_that_nobody_asked_for_are_no_mistake(tmp_path: Path) -> None:
    """A preset's Atari rules are dropped for another env, in training, in run.json and when resumed."""
    run = tmp_path / "run"
    own = [word for word in TINY_CATCH if word != "--no-life-signal"]
    assert main(["train", "atari", *own, "--serial", "--steps", "60", "--run-dir", str(run)]) == 0
    assert read_json(run / "run.json")["settings"]["env"] == vars(EnvSettings(id="toy/catch"))
    assert main(["train", "atari", "--run-dir", str(run), "--resume", "--steps", "90"]) == 0


def test_a_game_keeps_its_presets_rules(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "atari", "--env", "pong", "--dry-run"]) == 0
    assert json.loads(capsys.readouterr().out)["settings"]["env"]["life_signal"] is True
    settings = PRESETS["atari"]()
    assert for_its_env(settings, settings) == settings


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        ("--env toy/catch --sticky 0.25", "leave sticky and the other Atari rules alone"),
        ("--env MountainCarContinuous-v0", "train halfcheetah --env MountainCarContinuous-v0 learns those"),
        ("--env FrozenLake-v1", "train taxi --env NAME"),
        ("--env CartPole-v1", "use mlp"),
    ],
)
def test_only_what_was_changed_is_blamed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: str, remedy: str
) -> None:
    run = tmp_path / "run"
    assert remedy in refused(capsys, "train", "atari", *arguments.split(), "--run-dir", str(run))
    assert not run.exists()


def test_what_is_wrong_with_an_env_is_said_of_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """CarRacing is refused: with Box2D for its continuous actions, without Box2D with how to install it."""
    arguments = ("train", "atari", "--env", "CarRacing-v3", "--run-dir", str(tmp_path / "run"))
    if importlib.util.find_spec("Box2D") is not None:
        assert "CarRacing-v3 takes torques, not numbered actions" in refused(capsys, *arguments)
    original = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("Box2D"):
            raise ImportError(name)
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    said = refused(capsys, *arguments)
    assert "Box2D is not installed, you can install it by" in said
    assert "sticky" not in said
    assert not (tmp_path / "run").exists()

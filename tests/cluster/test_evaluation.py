"""Evaluation of a policy: exactly N whole games, equally many per env, frozen weights, seeds apart from training."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.acting.exploration import ExplorationSettings
from agents.acting.policy import QPolicy
from agents.acting.rollout import Rollout
from agents.evaluation.evaluate import envs_for, evaluate, evaluate_policy
from agents.evaluation.protocol import protocol_name, protocol_rules
from agents.networks.q_network import NetworkSettings, QNetwork
from agents.settings import EvaluationSettings
from cluster.cli.main import main
from envs import make_env
from envs.base import EnvSettings, TimeStep
from tests.cluster.helpers import StillPolicy, catch_settings, read_json
from tests.cluster.records import refused
from tests.coded_env import CodedEnv, reward_of


class SeedSpy(CodedEnv):
    """A coded env that records the seeds of all resets."""

    def __init__(self, num_envs: int) -> None:
        super().__init__(num_envs)
        self.seeds: set[int] = set()

    def reset(self, seed: int) -> TimeStep:
        self.seeds |= set(range(seed, seed + self.num_envs))
        return super().reset(seed)


@given(
    num_envs=st.integers(1, 4),
    quota=st.integers(1, 4),
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=5),
    seed=st.integers(0, 2**31 - 1),
)
@settings(max_examples=30)
def test_c23_every_env_plays_its_quota_of_whole_games(num_envs: int, quota: int, lengths: list[int], seed: int) -> None:
    """C23: exactly N games count, the first of every env, so that short games are not preferred to long ones."""
    env, done = CodedEnv(num_envs, lengths=lengths), []
    scores = evaluate(
        StillPolicy(),
        env,
        EvaluationSettings(epsilon=0.5),
        episodes=num_envs * quota,
        seed=seed,
        on_step=done.append,
    )
    games = [(lane, game) for lane in range(num_envs) for game in range(quota)]
    assert scores.steps.tolist() == [env.length(*game) for game in games]
    assert scores.scores.tolist() == [
        sum(reward_of(*game, t) for t in range(1, env.length(*game) + 1)) for game in games
    ]
    assert scores.frames.tolist() == [4 * env.length(*game) - 1 for game in games]
    assert done == sorted(done)
    assert done[-1] == num_envs * quota
    summary = scores.summary()
    assert summary["episodes"] == num_envs * quota
    assert summary["min"] <= summary["mean"] <= summary["max"]


def test_c23_games_that_cannot_be_shared_are_refused() -> None:
    with pytest.raises(ValueError, match="5 episodes cannot be shared evenly among 2 envs"):
        evaluate(StillPolicy(), CodedEnv(2), EvaluationSettings(), episodes=5, seed=0)


@given(episodes=st.integers(1, 500), most=st.integers(1, 60))
def test_c23_a_number_of_envs_that_shares_the_games(episodes: int, most: int) -> None:
    envs = envs_for(episodes, most)
    assert episodes % envs == 0
    assert not any(episodes % more == 0 for more in range(envs + 1, min(most, episodes) + 1))


@given(
    training=st.integers(0, 2**31 - 1),
    evaluation=st.integers(0, 2**31 - 1),
    lane=st.integers(0, 5_000),
    eras=st.lists(st.integers(0, 10**10), max_size=5),
)
@settings(max_examples=50)
def test_c23_seeds_are_never_those_of_training(training: int, evaluation: int, lane: int, eras: list[int]) -> None:
    """C23: for any seeds, lanes and restarts, training and evaluation share no env seed."""
    trained, judged = SeedSpy(32), SeedSpy(10)
    rollout = Rollout(trained, StillPolicy(), ExplorationSettings(), seed=training, lane=lane, num_lanes=9_999)
    for era in eras:
        rollout.restart(era)
    evaluate(StillPolicy(), judged, EvaluationSettings(), episodes=10, seed=evaluation)
    assert len(trained.seeds) >= 32
    assert len(judged.seeds) == 10
    assert not trained.seeds & judged.seeds


def test_c23_weights_are_frozen_and_games_repeat() -> None:
    """C23: an evaluation changes no weights, needs no gradients, and has the same scores when repeated."""
    network = QNetwork(NetworkSettings(), (84, 84), 3).requires_grad_(False)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    actor, run = QPolicy(network, precision="fp32"), catch_settings()
    first, again = (evaluate_policy(actor, run, episodes=10, threads=1) for _ in range(2))
    assert first.scores.tolist() == again.scores.tolist()
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    other = evaluate_policy(actor, dataclasses.replace(run, seed=1), episodes=10, threads=1)
    assert first.protocol == other.protocol == {"name": "training", "epsilon": 0.0, **make_protocol("toy/catch")}


def make_protocol(name: str) -> dict[str, Any]:
    """Return the protocol rules of an env."""
    env = make_env(EnvSettings(id=name), 1)
    env.close()
    return dict(env.protocol)


@pytest.mark.parametrize(
    ("protocol", "rules"),
    [
        ("classic", {"sticky": 0.0, "noop_max": 30, "fire_reset": True}),
        ("machado", {"sticky": 0.25, "noop_max": 0, "fire_reset": False}),
    ],
)
def test_c25_every_rule_is_in_the_record_and_in_the_file_name(protocol: str, rules: dict[str, Any]) -> None:
    """C25: sticky actions, life signal, no-ops, action set, skip, cap and epsilon are in the record and file name."""
    rules = {**rules, "life_signal": False, "frame_skip": 4, "frame_cap": 108_000}
    trained_under = EnvSettings(id="pong", life_signal=True, sticky=0.1)
    env = make_env(protocol_rules(trained_under, protocol), 1)
    env.close()
    record = {"name": protocol, "epsilon": 0.05, **env.protocol}
    assert {name: record[name] for name in rules} == rules
    assert record["action_set"] == "minimal"
    name = protocol_name(record)
    for rule, value in {**rules, "action_set": "minimal", "epsilon": 0.05}.items():
        shown = int(value) if isinstance(value, bool) else value
        assert f"-{rule}={shown}" in name
    assert name.startswith(protocol)
    assert name != protocol_name({**record, "frame_cap": 18_000})


def test_training_s_own_rules_play_whole_games() -> None:
    trained_under = EnvSettings(id="pong", life_signal=True, sticky=0.1, noop_max=5)
    assert protocol_rules(trained_under, "training") == dataclasses.replace(trained_under, life_signal=False)


def test_c25_evaluate_writes_what_it_prints(
    catch_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """C25: the result file is named by its protocol and contains it; C21: it contains every game's raw score."""
    run = tmp_path / "run"
    run.symlink_to(shutil.copytree(catch_run, tmp_path / "copy"))
    assert main(["evaluate", str(run), "--episodes", "6", "--json"]) == 0
    capsys.readouterr()
    assert main(["evaluate", str(run), "--episodes", "4", "--json"]) == 0
    printed = capsys.readouterr().out
    files = list(run.glob("evaluation-*.json"))
    assert [file.name for file in files] == ["evaluation-training-epsilon=0.05.json"]
    result = read_json(files[0])
    assert printed.count("\n") == 1
    assert result == json.loads(printed)
    assert result["episodes"] == len(result["scores"]) == len(result["episode_frames"]) == 4
    assert result["mean"] == sum(result["scores"]) / 4
    assert result["human_normalised"] is None, "nobody has measured a human"
    summary = read_json(run / "summary.json")
    assert len(summary["eval"]["scores"]) == summary["eval"]["episodes"] == 6
    assert (result["agent_steps"], result["frames"]) == (summary["agent_steps"], summary["frames"]), "C24: both"
    assert result["protocol"] == {"name": "training", "epsilon": 0.05, **make_protocol("toy/catch")}
    assert -1 <= result["min"] <= result["mean"] <= result["max"] <= 1
    assert Path(result["checkpoint"]).is_dir()
    assert main(["evaluate", str(run), "--episodes", "2", "--epsilon", "0.5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["protocol"] == result["protocol"] | {"epsilon": 0.5}
    assert (run / "evaluation-training-epsilon=0.5.json").exists()
    assert read_json(files[0]) == result, "the one before is kept"
    assert "a probability lies in 0..1" in refused(capsys, "evaluate", str(run), "--epsilon=1.5")


def test_a_result_that_cannot_be_written_is_printed(
    catch_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A result whose file cannot be written, here since a folder has its name, is printed before the error."""
    run = Path(shutil.copytree(catch_run, tmp_path / "run"))
    (run / "evaluation-training-epsilon=0.05.json").mkdir()
    assert main(["evaluate", str(run), "--episodes", "2", "--json"]) == 2
    said = capsys.readouterr()
    assert json.loads(said.out)["episodes"] == 2
    assert (said.out.count("\n"), said.err.count("\n")) == (1, 1)
    assert said.err.startswith("quarterdeck: ")
    assert "evaluation-training-epsilon=0.05" in said.err

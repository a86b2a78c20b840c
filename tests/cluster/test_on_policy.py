"""PQN by a fleet: it learns what one process would of the same rollouts, and outlives runners."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
from numpy.typing import NDArray

from agents.acting.rollout import Rollout
from agents.parts import make_policy
from agents.pqn.experience import Experience, collect, concatenated
from agents.pqn.parts import make_learner
from agents.pqn.presets import pqn
from agents.saved_policy import policy_of
from cluster.cli.main import main
from cluster.errors import FleetError
from cluster.fleet.on_policy import OnPolicyLoop, bundles
from cluster.workloads import settings_of_run
from envs import make_env
from tests.cluster.helpers import PATIENCE, TIMEOUT, process_of, read_json, same_tree
from tests.cluster.tiny import TINY_PQN
from tests.exact_values import chain_q_star
from training.settings import changed
from training.storage import checkpoint

pytestmark = [pytest.mark.ray, pytest.mark.timeout(TIMEOUT), pytest.mark.usefixtures("ray_cluster")]

SETTINGS = changed(
    pqn(), {**TINY_PQN, "env.life_signal": False, "learner.steps": 6, "stop.steps": 90_000, "learner.anneal": True}
)
TURNS = 3
ONE = 2 * 6  # agent steps that a runner plays in a turn, at most
CHAIN = [  # whose values are known
    *("--env=toy/chain", "--network.kind=mlp", "--network.stack=1", "--fleet.runners=1"),
    *("--learner.num-envs=8", "--learner.steps=16", "--learner.minibatches=4", "--learner.epochs=3"),
    *("--learner.gamma=0.9", "--learner.trace=0", "--learner.learning-rate=3e-3", "--exploration.final=1"),
    *("--learner.precision=fp32", "--learner.device=cpu"),
    *("--evaluation.protocol=training", "--evaluation.episodes=4"),
]


@pytest.fixture(scope="module")
def fleet(ray_cluster: None) -> Iterator[tuple[OnPolicyLoop, dict[str, Any]]]:
    """Two runners with two games each, and what the learner was after its first turns."""
    loop = OnPolicyLoop(SETTINGS)
    until(loop, lambda: loop.stats.updates >= TURNS * 2 * 2)
    yield loop, {**loop.learner.state(), "stats": loop.stats.state()}
    loop.close()
    loop.close()


@pytest.fixture
def loop(fleet: tuple[OnPolicyLoop, dict[str, Any]]) -> OnPolicyLoop:
    """The same fleet, with all its runners at work."""
    until(fleet[0], lambda: fleet[0].runners.health()["fleet/runners_alive"] == 2)
    return fleet[0]


def until(loop: OnPolicyLoop, done: Callable[[], bool]) -> list[int]:
    """Let it train until something has happened -> agent steps of every turn."""
    started, turns = time.monotonic(), list[int]()
    while not done():
        before = loop.stats.agent_steps
        loop.step()
        turns += [loop.stats.agent_steps - before] if loop.stats.agent_steps > before else []
        assert time.monotonic() - started < PATIENCE, f"it has not happened after {loop.stats}"
    return turns


def all_play(loop: OnPolicyLoop) -> None:
    """Wait until games of all four lanes have ended."""
    loop.stats.recent.clear()
    until(loop, lambda: {game.lane for game in loop.stats.recent} == set(range(4)))


def test_it_learns_what_one_process_would_of_the_same_rollouts(fleet: tuple[OnPolicyLoop, dict[str, Any]]) -> None:
    """To the last bit, in float32 on a CPU: each runner's games, epsilons and weights, concatenated in their order."""
    s = SETTINGS
    envs = [make_env(s.env, 2) for _ in range(2)]
    learner, steps = make_learner(s, envs[0].spec), 0
    policies = [make_policy(s, env.spec) for env in envs]
    rollouts = [
        Rollout(env, policy, s.exploration, seed=s.seed, lane=2 * i, num_lanes=4)
        for i, (env, policy) in enumerate(zip(envs, policies, strict=True))
    ]
    for _ in range(TURNS):
        for policy in policies:
            policy.load(learner.weights())
        played = [collect(rollout, s.network.stack, s.learner.steps, steps) for rollout in rollouts]
        steps += sum(chunk_stats.agent_steps for _, chunk_stats in played)
        learner.learn(concatenated([seen for seen, _ in played]), steps / s.stop.steps)
    found = dict(fleet[1])
    assert found.pop("stats")["agent_steps"] == steps
    same_tree(found, learner.state())


def test_a_killed_runner_comes_back_and_the_other_goes_on(loop: OnPolicyLoop) -> None:
    manager = loop.runners.manager
    killed, restarts = process_of(manager.actors()[1]), manager.total_num_restarts()
    os.kill(killed, signal.SIGKILL)
    turns = until(loop, lambda: manager.total_num_restarts() == restarts + 1)
    assert 0 < turns[0] <= ONE, "the other's games are learned from"
    all_play(loop)
    assert process_of(manager.actors()[1]) != killed
    found = loop.stats.read()
    assert {"fleet/runners_alive", "fleet/runner_restarts", "wire/bytes_per_step"} <= found.keys()
    assert found["wire/bytes_per_step"] >= 84 * 84, "within a host no frame is packed"


def test_a_frozen_runner_holds_nobody_up_for_long(loop: OnPolicyLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it plays once it goes on was asked for long ago: nobody learns from that."""
    monkeypatch.setattr("cluster.fleet.on_policy.LATE_SECONDS", 0.1)
    until(loop, lambda: not loop.runners.waiting())
    frozen = process_of(loop.runners.manager.actors()[2])
    os.kill(frozen, signal.SIGSTOP)
    try:
        updates = loop.stats.updates
        turns = until(loop, lambda: loop.stats.updates >= updates + 3 * 4)
    finally:
        os.kill(frozen, signal.SIGCONT)
    assert max(turns) <= ONE
    assert loop.held == {2}
    monkeypatch.undo()
    all_play(loop)
    assert loop.held == set()


def test_a_checkpoint_is_gone_back_to(loop: OnPolicyLoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what was on its way by then is not learned from: every rollout was played by the network that learns."""
    seen: list[NDArray[np.float32]] = []
    learn = loop.learner.learn

    def checked(played: Experience, done: float) -> Any:
        values = np.stack([loop.policy().values(obs).max(1) for obs in played.obs])
        np.testing.assert_allclose(played.value[:-1], values, atol=1e-6)
        seen.append(values)
        return learn(played, done)

    path = loop.save(tmp_path)
    saved = checkpoint.load(path)
    monkeypatch.setattr(loop.learner, "learn", checked)
    until(loop, lambda: len(seen) == 2)
    loop._ask()
    loop.load(path)
    same_tree(loop.learner.state(), saved["learner"])
    assert loop.stats.state() == saved["stats"]
    until(loop, lambda: len(seen) == 4)
    assert loop.stats.updates == saved["stats"]["updates"] + 2 * 4


def break_env(runner: Any) -> None:
    """Let its env fail from now on."""

    def step(action: Any) -> Any:
        raise RuntimeError("the cord is cut")

    runner.env.step = step


def test_an_env_that_fails_is_replaced_and_ends_the_run_when_it_fails_again_and_again(
    loop: OnPolicyLoop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    manager = loop.runners.manager
    restarts = manager.total_num_restarts()
    ray.get(manager.actors()[1].__ray_call__.remote(break_env), timeout=PATIENCE)
    until(loop, lambda: manager.total_num_restarts() == restarts + 1)
    assert (
        "the environment of runner 1 failed, the runner starts again: RuntimeError: the cord" in capsys.readouterr().err
    )
    all_play(loop)
    monkeypatch.setattr("cluster.fleet.runners.MAX_FAILURES", 1)
    ray.get(manager.actors()[1].__ray_call__.remote(break_env), timeout=PATIENCE)
    with pytest.raises(FleetError, match="the environment of runner 1 failed 1 times"):
        until(loop, lambda: False)


def interrupted_after(turns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person presses Ctrl-C once so many turns are learned."""
    step = OnPolicyLoop.step

    def stepped(loop: OnPolicyLoop) -> None:
        step(loop)
        if loop.stats.updates >= turns * 3 * 4:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(OnPolicyLoop, "step", stepped)


def test_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A fleet by default: stopped, gone on with until the values of the chain are learned, judged."""
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        interrupted_after(4, patch)
        assert main(["train", "pqn", *CHAIN, "--steps=6000", "--minutes=1e9", f"--run-dir={run}"]) == 0
    assert f"saved; resume with: quarterdeck train pqn --run-dir {run} --resume" in capsys.readouterr().out
    record, stopped = read_json(run / "run.json"), read_json(run / "summary.json")
    assert (record["serial"], stopped["eval"], stopped["updates"]) == (False, None, 4 * 3 * 4)
    assert main(["train", "pqn", f"--run-dir={run}", "--resume"]) == 0
    summary = read_json(run / "summary.json")
    assert summary["agent_steps"] >= 6000
    assert summary["eval"]["episodes"] == 4
    states = np.eye(5, dtype=np.float32)[:4, None, None]
    own = policy_of(checkpoint.load(checkpoint.latest(run / "checkpoints")), settings_of_run(record))
    assert np.abs(own.values(states) - chain_q_star(0.9)[:4]).max() < 0.15
    assert main(["evaluate", str(run), "--episodes=2"]) == 0


def test_what_it_reserves() -> None:
    settings = changed(pqn(), {"fleet.runners": 4, "fleet.roles": True})
    assert bundles(settings) == [{"CPU": 1}, *[{"CPU": 1, "rollout": 1}] * 4]

"""Evaluation in groups of envs, some on threads, plays the games of a plain loop over each, bit for bit."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from agents.acting.policy import QPolicy
from agents.dqn.settings import Settings
from agents.evaluation import evaluate
from agents.evaluation.evaluate import Scores, envs_for, evaluate_policy
from agents.evaluation.protocol import evaluation_seed, protocol_env
from agents.networks.q_network import NetworkSettings, QNetwork
from agents.replay.frames import FrameStack, to_blocks
from agents.settings import EvaluationSettings
from envs import make_env
from envs.base import EnvSettings


def oracle(actor: QPolicy, settings: Settings, episodes: int) -> Scores:
    """Play one group of envs after the other in a plain loop; random numbers are drawn for all envs at once."""
    envs = evaluate.envs_for(episodes)
    quota, seed, epsilon = episodes // envs, settings.seed, settings.evaluation.epsilon
    score, steps, raw = (np.zeros((envs, quota), dtype) for dtype in (np.float64, np.int64, np.int64))
    for lanes in np.array_split(np.arange(envs), -(-envs // evaluate.GROUP)):
        first = int(lanes[0])
        env, rng = make_env(protocol_env(settings), len(lanes)), np.random.default_rng(seed)
        frames = FrameStack(settings.network.stack)
        game = np.zeros(len(lanes), np.int64)
        step = env.reset(evaluation_seed(seed) + first)
        while (game < quota).any():
            q = actor.values(frames.push(to_blocks(step.frame), step.first))
            explore, random = rng.random(envs) < epsilon, rng.integers(q.shape[1], size=envs)
            step = env.step(np.where(explore[lanes], random[lanes], q.argmax(1)))
            for place in np.flatnonzero(game < quota):
                lane = first + place
                score[lane, game[place]] += step.reward[place]
                steps[lane, game[place]] += not step.first[place]
                raw[lane, game[place]] += step.frames[place]
            game += (step.terminated | step.truncated) & (game < quota)
        env.close()
    protocol = {"name": settings.evaluation.protocol, "epsilon": epsilon, **env.protocol}
    return Scores(score.ravel(), steps.ravel(), raw.ravel(), protocol)


def breakout(epsilon: float, seed: int, **network: Any) -> Settings:
    """Return settings for short games: 12 frames a step, at most 480 frames."""
    return Settings(
        env=EnvSettings(id="breakout", frame_skip=12, frame_cap=480),
        network=NetworkSettings(layer_norm=True, **network),
        evaluation=EvaluationSettings(protocol="training", epsilon=epsilon),
        seed=seed,
    )


class Fickle(QPolicy):
    """Prefers actions by the last digits of the network's values: the smallest difference changes a game."""

    def values(self, obs: NDArray[Any], noise: Any = None) -> NDArray[np.float32]:
        return (1e4 * super().values(obs)) % 1.0


def fickle(settings: Settings, *, autocast: bool) -> QPolicy:
    """Return a `Fickle` actor with an untrained network."""
    torch.manual_seed(settings.seed)
    return Fickle(
        QNetwork(settings.network, (84, 84), 4).requires_grad_(False), precision="bf16" if autocast else "fp32"
    )


@pytest.mark.parametrize(
    ("episodes", "group", "threads", "epsilon", "autocast", "network"),
    [
        (4, 2, 2, 0.05, True, {}),
        (4, 2, 1, 0.001, False, {}),
        (5, 2, 3, 0.05, False, {"kind": "dqn2015", "dueling": True}),  # groups of 2, 2 and 1
        (10, 3, 2, 0.05, False, {"stack": 2}),  # groups of 3 and 2 envs, 2 games in each env
        (4, 1, 2, 1.0, True, {}),  # more groups than threads
        (2, 25, 8, 1.0, True, {}),  # one group
    ],
)
def test_groups_play_the_games_of_plain_loops(
    monkeypatch: pytest.MonkeyPatch,
    episodes: int,
    group: int,
    threads: int,
    epsilon: float,
    autocast: bool,
    network: dict[str, Any],
) -> None:
    """Scores, lengths and their order equal those of the loop, with the same draws, seeds and batches."""
    monkeypatch.setattr(evaluate, "GROUP", group)
    monkeypatch.setattr(evaluate, "envs_for", partial(envs_for, most=5))  # else up to 50 games have an env each
    settings = breakout(epsilon, episodes, **network)
    actor, told = fickle(settings, autocast=autocast), list[int]()
    wanted = oracle(actor, settings, episodes)
    found = evaluate_policy(actor, settings, episodes=episodes, threads=threads, on_step=told.append)
    for one, other in zip(found[:3], wanted[:3], strict=True):
        assert np.array_equal(one, other)
    assert found.protocol == wanted.protocol
    assert len({*zip(wanted.scores, wanted.steps, wanted.frames, strict=True)}) > 1
    assert told == sorted(told)
    assert told[-1] == episodes


class Broken(QPolicy):
    """Raises `error` at its tenth call."""

    stack = 4

    def __init__(self, error: type[BaseException]) -> None:
        self.error, self.calls = error, 0

    def values(self, obs: NDArray[Any], noise: Any = None) -> NDArray[np.float32]:
        self.calls += 1
        if self.calls == 10:
            raise self.error
        return np.zeros((len(obs), 4), np.float32)


@pytest.mark.parametrize("error", [FloatingPointError, KeyboardInterrupt])
def test_a_group_that_fails_ends_all(monkeypatch: pytest.MonkeyPatch, error: type[BaseException]) -> None:
    """The error ends endless games, leaves no thread behind, and torch gets its number of threads back."""
    monkeypatch.setattr(evaluate, "GROUP", 2)
    settings = breakout(0.0, 0)
    settings = Settings(env=EnvSettings(id="pong", frame_cap=10**9), evaluation=settings.evaluation)
    before, running = torch.get_num_threads(), set(threading.enumerate())
    torch.set_num_threads(2)
    try:
        with pytest.raises(error):
            evaluate_policy(Broken(error), settings, episodes=4, threads=2)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert set(threading.enumerate()) == running


class Counting(QPolicy):
    """Records the thread of each call and the number of torch's threads there."""

    stack = 4

    def __init__(self) -> None:
        self.seen: set[tuple[str, int]] = set()

    def values(self, obs: NDArray[Any], noise: Any = None) -> NDArray[np.float32]:
        self.seen.add((threading.current_thread().name, torch.get_num_threads()))
        return np.zeros((len(obs), 4), np.float32)


def test_every_group_has_a_thread_and_one_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "GROUP", 2)
    actor, before = Counting(), torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        evaluate_policy(actor, breakout(0.0, 0), episodes=4, threads=2)
    finally:
        torch.set_num_threads(before)
    assert len(actor.seen) == 2
    assert {threads for _, threads in actor.seen} == {1}

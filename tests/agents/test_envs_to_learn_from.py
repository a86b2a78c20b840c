"""From a Gymnasium env through a rollout into replay: many actions, and values that are not finite."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

from agents.acting.exploration import ExplorationSettings
from agents.acting.policy import QPolicy
from agents.acting.rollout import Rollout
from agents.dqn.serial import SerialLoop
from agents.replay.shard import ReplayShard
from agents.replay.transitions import ReplaySettings
from envs import EnvSettings, make_env
from envs.base import MAX_ACTIONS
from tests.small_run import small_settings

NAME = "QuarterdeckOdd-v0"


class Odd(gymnasium.Env[Any, Any]):
    """An env that pays the number of the action. From step `since` on, reward or observation is `broken` instead."""

    def __init__(self, actions: int = 300, field: str = "", since: int = 0, broken: float = float("nan")) -> None:
        self.observation_space = Box(-np.inf, np.inf, (2,), np.float32)
        self.action_space = Discrete(actions)
        self.field, self.since, self.broken, self.t = field, since, broken, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Start an episode at step 0."""
        super().reset(seed=seed)
        self.t = 0
        return np.zeros(2, np.float32), {}

    def step(self, action: Any) -> Any:
        """Take one step of an episode of 50."""
        self.t += 1
        broken = self.t >= self.since
        obs = np.full(2, self.broken if broken and self.field == "observation" else self.t, np.float32)
        return obs, self.broken if broken and self.field == "reward" else float(action), self.t == 50, False, {}


@pytest.fixture
def odd() -> Iterator[dict[str, Any]]:
    """Register the env for one test and yield its options."""
    options: dict[str, Any] = {}
    gymnasium.register(NAME, entry_point=lambda **_: Odd(**options), disable_env_checker=True)
    yield options
    del gymnasium.registry[NAME]


class Last(QPolicy):
    """A policy that prefers action `best` of 300."""

    stack = 1

    def __init__(self, best: int) -> None:
        self.best = best

    def values(self, obs: NDArray[Any], noise: Any = None) -> NDArray[np.float32]:
        return np.tile(np.arange(300) == self.best, (len(obs), 1)).astype(np.float32)


def rollout_of(best: int = 299, greedy: bool = True) -> Rollout:
    """Return a rollout of two lanes of the odd env."""
    exploration = ExplorationSettings(start=0.0, final=0.0) if greedy else ExplorationSettings(start=1.0, final=1.0)
    return Rollout(make_env(EnvSettings(id=NAME), 2), Last(best), exploration, seed=0)


def shard_of(rollout: Rollout) -> ReplayShard:
    """Return a shard for the rollout's rows."""
    settings, env = ReplaySettings(capacity=1000, learning_starts=0), rollout.env
    return ReplayShard(
        settings,
        lanes=2,
        spec=env.spec,
        stack=1,
        gamma=0.9,
        seed=0,
    )


@pytest.mark.usefixtures("odd")
@pytest.mark.parametrize(("best", "greedy"), [(299, True), (256, True), (0, False)])
def test_c2_of_300_actions_replay_holds_those_that_were_used(best: int, greedy: bool) -> None:
    """C2: the actions in replay equal their rewards, which are the numbers of the actions that the env was given."""
    rollout = rollout_of(best, greedy)
    shard = shard_of(rollout)
    for _ in range(8):
        shard.add(rollout.collect(30, 0)[0])
    batch = shard.sample(2000)
    np.testing.assert_array_equal(batch.action.numpy(), batch.reward[:, 0].numpy())
    assert set(batch.action.tolist()) == {best} if greedy else batch.action.max() > 255


def test_more_actions_than_replay_tells_apart_are_refused(odd: dict[str, Any]) -> None:
    odd["actions"] = MAX_ACTIONS
    assert make_env(EnvSettings(id=NAME), 1).spec.num_actions == MAX_ACTIONS
    odd["actions"] = MAX_ACTIONS + 1
    with pytest.raises(
        ValueError, match=rf"{NAME} has 65537 actions: choose an environment with at most 65536"
    ) as caught:
        make_env(EnvSettings(id=NAME), 1)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("odd")
def test_a_state_with_actions_of_one_byte_is_taken_over() -> None:
    """A state with uint8 actions, as in older checkpoints, is loaded, and later actions above 255 stay whole."""
    rollout = rollout_of(200)
    shard, twin = shard_of(rollout), shard_of(rollout)
    shard.add(rollout.collect(30, 0)[0])
    state = shard.state()
    state["rows"]["action"] = state["rows"]["action"].astype(np.uint8)
    twin.load_state(state)
    rollout.policy = Last(299)
    twin.add(rollout.collect(30, 0)[0])
    assert set(twin.sample(500).action.tolist()) == {200, 299}


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
@pytest.mark.parametrize("field", ["reward", "observation"])
def test_an_env_that_gives_no_number_is_named(odd: dict[str, Any], field: str, broken: float) -> None:
    """The error names the env and the field; the chunk before is collected without an error."""
    odd |= {"field": field, "since": 35, "broken": broken}
    rollout = rollout_of()
    rollout.collect(30, 0)
    with pytest.raises(
        FloatingPointError, match=rf"^{NAME} gave the {field} {broken} in env 0: repair the environment$"
    ):
        rollout.collect(30, 0)


def play_to_the_end(run: SerialLoop) -> None:
    """Play far beyond the first broken step."""
    for _ in range(40):
        run.step()


@pytest.mark.parametrize("field", ["reward", "observation"])
def test_a_run_ends_with_the_name_of_the_env_that_gives_no_number(odd: dict[str, Any], field: str) -> None:
    """The error names the env, not the learning rate or the precision; the priorities in replay stay finite."""
    odd |= {"actions": 2, "field": field, "since": 40}
    run = SerialLoop(small_settings(NAME, replay={"prioritized": True}))
    with pytest.raises(FloatingPointError, match=rf"{NAME} gave the {field} nan in env 0: repair the environment"):
        play_to_the_end(run)
    assert run.replay.written[0] > 0
    assert np.isfinite(run.replay.mass)
    run.close()

"""Settings have the types of their annotations, however they are made."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from agents.acting.exploration import ExplorationSettings
from agents.dqn.learner import LearnerSettings
from agents.dqn.settings import Settings
from agents.networks.q_network import NetworkSettings
from agents.replay.transitions import ReplaySettings
from agents.settings import FleetSettings, StopSettings
from agents.tabular.settings import TabularSettings
from envs import EnvSettings
from training.settings import changed, from_dict, to_dict

WRONG: list[tuple[type[Any], str, Any, str]] = [
    (LearnerSettings, "double", "false", "learner.double is 'false': give true or false"),
    (LearnerSettings, "double", 1, "learner.double is 1: give true or false"),
    (LearnerSettings, "gamma", "0.9", "learner.gamma is '0.9': give a number"),
    (LearnerSettings, "batch_size", None, "learner.batch_size is None: give a whole number"),
    (ReplaySettings, "n_step", 2.5, "replay.n_step is 2.5: give a whole number"),
    (ReplaySettings, "n_step", True, "replay.n_step is True: give a whole number"),
    (ReplaySettings, "capacity", np.float32(5_000), "replay.capacity is .*: give a whole number"),
    (NetworkSettings, "kind", 3, "network.kind is 3: give a text"),
    (ExplorationSettings, "final", [0.1], r"exploration.final is \[0.1\]: give a number"),
    (EnvSettings, "life_signal", 0, "env.life_signal is 0: give true or false"),
    (FleetSettings, "runners", "2", "fleet.runners is '2': give a whole number"),
    (StopSettings, "score", "high", "stop.score is 'high': give a number or none"),
    (TabularSettings, "algorithm", "foo", "algorithm is 'foo': use one of q_learning, random, sarsa, double_q"),
    (TabularSettings, "algorithm", 3, "algorithm is 3: use one of q_learning, random, sarsa, double_q"),
    (TabularSettings, "epsilon", "all", "epsilon is 'all': give a number"),
    (Settings, "seed", 1.0, "seed is 1.0: give a whole number"),
]


@pytest.mark.parametrize(("kind", "name", "value", "message"), WRONG)
def test_a_value_of_another_kind_is_refused_in_one_line(kind: type[Any], name: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        kind(**{name: value})
    assert "\n" not in str(caught.value)


def test_the_ways_into_a_tree_check_too() -> None:
    values = to_dict(Settings())
    with pytest.raises(ValueError, match=r"replay\.n_step is 2\.5: give a whole number"):
        from_dict(Settings, {**values, "replay": {**values["replay"], "n_step": 2.5}})
    with pytest.raises(ValueError, match=r"learner\.double is 'false': give true or false"):
        changed(Settings(), {"learner.double": "false"})
    with pytest.raises(ValueError, match=r"replay is 3: give ReplaySettings"):
        Settings(replay=3)  # type: ignore[arg-type]


def test_a_whole_number_may_stand_for_a_number_and_numpy_s_for_python_s() -> None:
    s = Settings(
        seed=np.int64(3),  # type: ignore[arg-type]
        learner=LearnerSettings(gamma=1, learning_rate=np.float32(0.5), double=np.bool_(True)),  # type: ignore[arg-type]
    )
    assert (s.seed, s.learner.gamma, s.learner.learning_rate, s.learner.double) == (3, 1, 0.5, True)
    assert from_dict(Settings, json.loads(json.dumps(to_dict(s)))) == s

"""A small RLlib config and a small custom env."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gymnasium as gym
import numpy as np

from cluster.fleet.algorithm import QuarterdeckConfig


def small_config(env: Any = "CartPole-v1", *, runners: int = 0, **environment: Any) -> QuarterdeckConfig:
    """Return a config with a tiny network and 4 envs per runner; without runners the driver collects the steps."""
    return (
        QuarterdeckConfig()
        .environment(env, **environment)
        .env_runners(num_env_runners=runners, num_envs_per_env_runner=4, rollout_fragment_length=8)
        .training(
            lr=1e-3,
            train_batch_size_per_learner=32,
            settings={
                "network": {"kind": "mlp", "stack": 1, "hidden": 16, "layer_norm": False},
                "replay": {"capacity": 2_000, "learning_starts": 100, "samples_per_insert": 2.0},
                "learner": {"precision": "fp32", "device": "cpu", "average_rate": 0.5},
                "evaluation": {"protocol": "training", "episodes": 4},
            },
        )
        .reporting(min_time_s_per_iteration=0)
        .debugging(seed=3)
    )


@contextmanager
def built(config: QuarterdeckConfig) -> Iterator[Any]:
    """Yield an algorithm built from a config, and stop it."""
    made = config.build_algo()
    try:
        yield made
    finally:
        made.stop()


class Corridor(gym.Env[Any, Any]):
    """An env whose episodes last `config["length"]` steps with reward 1 each."""

    action_space = gym.spaces.Discrete(2)
    observation_space = gym.spaces.Box(0, 1, (2,), np.float32)

    def __init__(self, config: dict[str, Any]) -> None:
        self.length = config["length"]

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.left = self.length
        return self._seen(), {}

    def _seen(self) -> Any:
        return np.array([self.left / self.length, 1.0], np.float32)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.left -= 1
        return self._seen(), 1.0, self.left == 0, False, {}

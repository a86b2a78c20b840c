"""Results under RLlib's names: when an iteration ends, and all keys from the first result on."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tests.cluster.helpers import TIMEOUT, train_until
from tests.cluster.rllib_helpers import Corridor, built, small_config

pytestmark = [pytest.mark.ray, pytest.mark.timeout(TIMEOUT), pytest.mark.usefixtures("ray_cluster")]
OF_GAMES = [f"episode_{what}_{kind}" for what in ("return", "len") for kind in ("mean", "min", "max")]


def test_an_iteration_ends_once_enough_was_sampled_and_trained() -> None:
    config = small_config().reporting(min_train_timesteps_per_iteration=500, min_sample_timesteps_per_iteration=200)
    with built(config) as made:
        steps = trained = 0.0
        for _ in range(2):
            result = made.train()
            now = result["learners"]["__all_modules__"]["num_env_steps_trained_lifetime"]
            assert now - trained >= 500
            assert made.stats.agent_steps - steps >= 200
            assert now == 32 * made.stats.updates
            steps, trained = made.stats.agent_steps, now


def test_results_have_the_names_of_rllib_s_dqn_from_the_first_one_on(tmp_path: Path) -> None:
    with built(small_config(Corridor, env_config={"length": 100})) as made:
        first = made.train()["env_runners"]
        assert made.stats.episodes == 0, "no game is as short"
        assert all(math.isnan(first[name]) for name in OF_GAMES)
        train_until(made, lambda: made.stats.episodes > 0)
        result = made.train()
        runners, learners = result["env_runners"], result["learners"]
        assert [runners[f"episode_return_{kind}"] for kind in ("mean", "min", "max")] == [100.0] * 3
        assert runners["episode_len_mean"] == 100.0
        assert runners["num_episodes_lifetime"] == made.stats.episodes
        assert runners["num_env_steps_sampled"] == 4 * 8
        assert runners["num_agent_steps_sampled_lifetime"] == {"default_agent": made.stats.agent_steps}
        assert runners["num_module_steps_sampled"] == {"default_policy": 4 * 8}
        module = learners["default_policy"]
        assert module["num_module_steps_trained_lifetime"] == 32 * made.stats.updates
        assert module["num_module_steps_trained"] == learners["__all_modules__"]["num_env_steps_trained"] == 64
        assert module["total_loss"] == module["qf_loss"] >= 0
        assert module["gradients_default_optimizer_global_norm"] >= 0
        assert module["default_optimizer_learning_rate"] == 1e-3
        path = made.save_to_path(tmp_path)
        made.restore_from_path(path)
        again = made.train()["env_runners"]
        assert again["episode_return_mean"] == 100.0, "recent games come back"
        assert again["num_episodes_lifetime"] == runners["num_episodes_lifetime"]

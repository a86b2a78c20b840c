"""Quarterdeck under Tune: searches inside the settings, a plain dict, its name, extra resources, checkpoints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ray import tune
from ray.rllib.algorithms.algorithm import Algorithm
from ray.tune.logger import JsonLoggerCallback

from cluster.fleet.algorithm import Quarterdeck
from tests.cluster.helpers import TIMEOUT
from tests.cluster.rllib_helpers import Corridor, small_config

pytestmark = [
    pytest.mark.ray,
    pytest.mark.timeout(TIMEOUT),
    pytest.mark.usefixtures("ray_cluster", "tune_leaves_ctrl_c"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]
ONE_CORE = {"CPU": 1}


def tuned(trainable: Any, space: Any, folder: Path, **checkpoints: Any) -> Any:
    """Run two iterations of every trial and return the results."""
    results = tune.Tuner(
        trainable,
        param_space=space,
        tune_config=tune.TuneConfig(metric="env_runners/episode_return_mean", mode="max"),
        run_config=tune.RunConfig(
            stop={"training_iteration": 2},
            storage_path=str(folder),
            checkpoint_config=tune.CheckpointConfig(**checkpoints),
            verbose=0,
            callbacks=[JsonLoggerCallback()],
        ),
    ).fit()
    assert results.num_errors == 0, results.errors
    return results


def test_searches_inside_the_settings_and_what_a_result_tells_of_them(tmp_path: Path) -> None:
    space = small_config().training(
        settings={
            "replay": {"n_step": tune.grid_search([1, 3]), "prioritized": tune.choice([True])},
            "exploration": tune.choice([{"final": 0.25}]),
        }
    )
    results = tuned("Quarterdeck", space, tmp_path)
    assert sorted(result.config["settings"]["replay"]["n_step"] for result in results) == [1, 3]
    for result in results:
        assert result.config["env"] == "CartPole-v1"
        written = json.loads((Path(result.path) / "params.json").read_text())
        assert written["settings"]["replay"] == result.config["settings"]["replay"]
        assert written["settings"]["replay"]["prioritized"] is True
        assert written["settings"]["exploration"]["final"] == 0.25
        assert "Pong" not in json.dumps(written)


def test_resources_on_top_with_checkpoints_on_the_way(tmp_path: Path) -> None:
    space = small_config().to_dict()
    (result,) = tuned(
        tune.with_resources(Quarterdeck, ONE_CORE), space, tmp_path, checkpoint_frequency=1, checkpoint_at_end=True
    )
    assert {saved["training_iteration"] for _, saved in result.best_checkpoints} == {1, 2}
    algo = Algorithm.from_checkpoint(result.checkpoint)
    assert (type(algo), algo.iteration) == (Quarterdeck, 2)
    algo.stop()


def test_a_plain_dict(tmp_path: Path) -> None:
    """A plain dict with an env class trains, and its checkpoint loads into a config with the same network and env."""
    space = {
        "env": Corridor,
        "env_config": {"length": 5},
        "num_env_runners": 0,
        "min_time_s_per_iteration": 0,
        "lr": tune.choice([1e-3]),
        "settings": {
            "network": {"kind": "mlp", "stack": 1, "hidden": tune.grid_search([8])},
            "fleet": {"envs_per_runner": 2, "chunk_steps": 8},
            "replay": {"capacity": 2_000, "learning_starts": 50},
            "learner": {"precision": "fp32", "device": "cpu"},
        },
    }
    (result,) = tuned(Quarterdeck, space, tmp_path, checkpoint_at_end=True)
    assert result.metrics["env_runners"]["episode_return_mean"] == 5
    again = small_config(Corridor, env_config={"length": 5}).training(
        settings={"network": {"hidden": 8, "layer_norm": True}, "fleet": {"envs_per_runner": 2}}
    )
    algo = again.build_algo()
    try:
        algo.restore_from_path(result.checkpoint)
        assert algo.iteration == 2
    finally:
        algo.stop()

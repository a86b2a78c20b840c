"""RLlib's interface beside training: custom envs, callbacks, the RLModule, weights and saved algorithms."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from ray import tune
from ray.rllib.callbacks.callbacks import RLlibCallback

from agents.replay.frames import to_blocks
from cluster.cli.main import main
from cluster.fleet.algorithm import Quarterdeck
from tests.cluster.helpers import TIMEOUT, train_until
from tests.cluster.rllib_helpers import Corridor, built, small_config

pytestmark = [pytest.mark.ray, pytest.mark.timeout(TIMEOUT), pytest.mark.usefixtures("ray_cluster")]


@pytest.fixture(scope="module")
def algo(ray_cluster: None) -> Iterator[Quarterdeck]:
    """Build an algorithm and train it for more than 40 updates."""
    with built(small_config()) as made:
        train_until(made, lambda: made.stats.updates > 40)
        yield made


@pytest.mark.parametrize("runners", [0, 1])
def test_an_env_class_with_its_config(runners: int) -> None:
    with built(small_config(Corridor, runners=runners, env_config={"length": 7})) as made:
        train_until(made, lambda: made.stats.episodes > 0)
        assert {(game.score, game.steps) for game in made.stats.recent} == {(7.0, 7)}
        assert made.evaluate()["env_runners"]["episode_len_mean"] == 7


def test_a_registered_env_and_an_id_that_only_the_driver_knows() -> None:
    class Local(Corridor):
        """An env that other processes cannot import."""

        def __init__(self) -> None:
            super().__init__({"length": 3})

    tune.register_env("corridor", lambda context: Corridor({"length": context["length"] + context.worker_index}))
    gym.register("Local-v0", entry_point=Local)
    try:
        with built(small_config("corridor", runners=1, env_config={"length": 4})) as made:
            train_until(made, lambda: made.stats.episodes > 0)
            assert {game.steps for game in made.stats.recent} == {5}
            assert made.evaluate()["mean"] == 4
        with built(small_config("Local-v0", runners=1)) as made:
            train_until(made, lambda: made.stats.episodes > 0)
            assert {game.steps for game in made.stats.recent} == {3}
    finally:
        for name in ("Local-v0", "corridor"):
            gym.registry.pop(name, None)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (lambda: small_config("Taxi-v3", runners=1), "only numbers its states: learn it by table"),
        (lambda: small_config("CartPole-v7", runners=1), "no environment is called 'CartPole-v7'"),
        (lambda: small_config(env_config={"length": 3}), "env_config is for classes"),
    ],
)
def test_an_env_that_cannot_be_learned_is_refused_before_anything_starts(config: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        config().build_algo()
    assert "\n" not in str(caught.value)


class Heard(RLlibCallback):
    """Callbacks that record which hooks were called."""

    calls: list[str] = []  # noqa: RUF012

    def on_algorithm_init(self, **_: Any) -> None:
        self.calls.append("init")

    def on_evaluate_start(self, *, algorithm: Any, metrics_logger: Any = None, **_: Any) -> None:
        self.calls.append("evaluate_start")

    def on_evaluate_end(self, *, algorithm: Any, evaluation_metrics: dict[str, Any], **_: Any) -> None:
        self.calls.append(f"evaluate_end {evaluation_metrics['env_runners']['num_episodes']}")

    def on_checkpoint_loaded(self, *, algorithm: Any, **_: Any) -> None:
        self.calls.append("loaded")

    def on_train_result(self, *, algorithm: Any, result: dict[str, Any], **_: Any) -> None:
        result["mine"] = 5


def test_callbacks_hear_what_happens(tmp_path: Path) -> None:
    loaded: list[Any] = []
    config = small_config().callbacks(Heard, on_checkpoint_loaded=lambda algorithm: loaded.append(algorithm))
    with built(config.evaluation(evaluation_interval=1, evaluation_duration=6)) as made:
        result = made.train()
        assert result["mine"] == 5
        assert result["evaluation"]["env_runners"]["num_episodes"] == 6
        made.restore_from_path(made.save_to_path(tmp_path))
        made.restore(str(tmp_path))
    assert Heard.calls == ["init", "evaluate_start", "evaluate_end 6", "loaded", "loaded"]
    assert loaded == [made, made]


def test_the_module_is_the_policy(algo: Quarterdeck) -> None:
    module = algo.get_module()
    assert module is not None
    obs = np.random.default_rng(0).normal(size=(5, 1, 4)).astype(np.float32)
    out = module.forward_inference({"obs": torch.from_numpy(obs)})
    own = algo.policy().values(to_blocks(obs[:, 0])[:, :, None])
    assert np.allclose(out["qf_preds"].numpy(), own, atol=1e-6)
    assert out["actions"].tolist() == own.argmax(1).tolist()
    assert algo.get_module("another") is None


def test_weights_go_out_and_in_again(algo: Quarterdeck) -> None:
    weights = algo.get_weights()
    changed = {"default_policy": {name: np.asarray(value) * 2 for name, value in weights["default_policy"].items()}}
    algo.set_weights(changed)
    runner = algo.env_runner_group.local_env_runner.runner
    runner._pull(algo.weight_store)
    (core,) = algo._each_learner(lambda learner: learner.core)
    for name, value in changed["default_policy"].items():
        for network in (core.online, core.target, core.policy, runner.policy.network):
            assert np.array_equal(network.state_dict()[name.removeprefix("network.")].numpy(), value)
    algo.set_weights(weights)
    with pytest.raises(ValueError, match="weights are of"):
        algo.set_weights({})


def test_the_old_stack_s_names_say_what_to_call(algo: Quarterdeck) -> None:
    for call in (algo.get_policy, lambda: algo.compute_single_action(np.zeros(4))):
        with pytest.raises(ValueError, match=r"ask algo\.get_module\(\)"):
            call()
    with pytest.raises(AttributeError, match=r"ask algo\.get_module\(\)"):
        _ = algo.env_runner.module


def test_a_saved_algorithm_is_read_by_the_commands(
    algo: Quarterdeck, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "with space"
    assert algo.save_to_path(f"file://{folder}".replace(" ", "%20")) == str(folder)
    again = Quarterdeck.from_checkpoint(f"file://{folder}")
    again.stop()
    capsys.readouterr()
    assert main(["evaluate", str(folder), "--episodes", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["agent_steps"] == algo.stats.agent_steps
    assert main(["export", str(folder), "--out", str(tmp_path / "out")]) == 0
    assert json.loads((tmp_path / "out" / "policy.json").read_text())["env"] == "CartPole-v1"
    with pytest.raises(ValueError, match="no folder of this machine"):
        algo.save_to_path("s3://bucket/here")

"""RLlib's interface in one process: build, train, evaluate, save, restore, tune."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ray import tune
from ray.rllib.algorithms.algorithm import Algorithm

from agents.acting.exploration import epsilons
from cluster.fleet.algorithm import Quarterdeck, QuarterdeckConfig
from tests.cluster.helpers import TIMEOUT, same_tree, train_until
from tests.cluster.rllib_helpers import built

pytestmark = [pytest.mark.ray, pytest.mark.timeout(TIMEOUT), pytest.mark.usefixtures("ray_cluster")]


def small_config() -> QuarterdeckConfig:
    """Return an RLlib config for CartPole with the runner in the driver's process."""
    return (
        QuarterdeckConfig()
        .environment("CartPole-v1")
        .env_runners(num_env_runners=0, num_envs_per_env_runner=4, rollout_fragment_length=8)
        .training(
            lr=1e-3,
            gamma=0.9,
            train_batch_size_per_learner=32,
            settings={
                "network": {"kind": "mlp", "stack": 1, "hidden": 16, "layer_norm": False},
                "replay": {"capacity": 2_000, "learning_starts": 100, "samples_per_insert": 2.0, "prioritized": True},
                "learner": {"precision": "fp32", "device": "cpu", "target_period": 30},
                "exploration": {"anneal_steps": 5_000},
                "evaluation": {"protocol": "training", "episodes": 4},
            },
        )
        .evaluation(evaluation_interval=3)
        .reporting(min_time_s_per_iteration=0)
        .debugging(seed=3)
    )


def replay_of(algo: Any) -> dict[str, Any]:
    """Return the state of the replay shard in the learner's process."""
    (state,) = algo._each_learner(lambda learner: learner.own_shard().state())
    return dict(state)


@pytest.fixture(scope="module")
def algo(ray_cluster: None) -> Iterator[Quarterdeck]:
    """Build an algorithm and train it for more than 40 updates, between two copies to its target network."""
    with built(small_config()) as made:
        train_until(made, lambda: made.stats.updates > 40)
        yield made


@pytest.fixture(scope="module")
def saved(algo: Quarterdeck, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save the algorithm; return the path of the checkpoint."""
    return Path(algo.save_to_path(tmp_path_factory.mktemp("saved") / "here"))


def test_the_config_becomes_our_settings() -> None:
    s = small_config().to_settings()
    assert (s.env.id, s.seed) == ("CartPole-v1", 3)
    assert (s.learner.learning_rate, s.learner.gamma, s.learner.batch_size) == (1e-3, 0.9, 32)
    assert (s.fleet.envs_per_runner, s.fleet.chunk_steps, s.fleet.lanes) == (4, 8, 4)
    assert (s.network.kind, s.replay.capacity, s.replay.prioritized) == ("mlp", 2_000, True)


def test_a_seed_leaves_new_tensors_alone(algo: Quarterdeck) -> None:
    """A seed leaves torch's deterministic mode off: filling new tensors takes a sixth of the sampling thread's time."""
    assert algo.settings.seed == 3
    assert algo._each_learner(lambda _: torch.are_deterministic_algorithms_enabled()) == [False]


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ({"replays": {"n_step": 1}}, "no such setting in 'replays'"),
        ({"replay": {"steps": 1}}, "no such setting in 'replay'"),
        ({"replay": {"n_step": 99}}, "use 1 to 32"),
    ],
)
def test_an_impossible_setting_is_refused(settings: dict[str, Any], remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy):
        small_config().training(settings=settings)


def test_a_replay_too_small_for_its_lanes_is_refused() -> None:
    with pytest.raises(ValueError, match="use fewer envs"):
        small_config().env_runners(num_envs_per_env_runner=1_000).validate()


def test_train_reports_under_rllib_s_names(algo: Quarterdeck) -> None:
    result = algo.train()
    assert result["env_runners"]["num_env_steps_sampled_lifetime"] == algo.stats.agent_steps > 100
    assert result["learners"]["num_updates_lifetime"] == algo.stats.updates
    assert result["learners"]["samples_per_insert"] == pytest.approx(2.0, rel=0.1)
    assert result["env_runners"]["episode_return_mean"] > 0
    assert result["training_iteration"] == algo.iteration


def test_c17_samples_per_insert(algo: Quarterdeck) -> None:
    """C17: at any time, sampled transitions are at most one batch below 2 per insert after learning starts."""
    for _ in range(30):
        algo.train()
        earned = 2.0 * (algo.limiter.inserted - 100)
        assert earned - 32 < algo.limiter.sampled <= earned
        assert algo.limiter.inserted == algo.stats.agent_steps
        assert algo.limiter.sampled == 32 * algo.stats.updates


def test_evaluate_leaves_training_alone(algo: Quarterdeck) -> None:
    state, replay = algo.get_state(), {**replay_of(algo), "frames": replay_of(algo)["frames"].copy()}
    result = algo.evaluate()
    assert result["episodes"] == result["env_runners"]["num_episodes"] == 4
    assert result["min"] <= result["mean"] == result["env_runners"]["episode_return_mean"] <= result["max"]
    assert result["protocol"]["name"] == "training"
    same_tree(state, algo.get_state())
    same_tree(replay, replay_of(algo))


def test_evaluation_by_rllib_s_interval(algo: Quarterdeck) -> None:
    results = [algo.train() for _ in range(3)]
    evaluated = [result["evaluation"] for result in results if "evaluation" in result]
    assert [summary["env_runners"]["num_episodes"] for summary in evaluated] == [4]


@contextmanager
def poisoned(saved: Path) -> Iterator[None]:
    """Replace the only pickle of a checkpoint by one that runs a command, and restore it at exit."""
    pickles = [file for file in saved.rglob("*.pkl")]
    assert [file.name for file in pickles] == ["class_and_ctor_args.pkl"]
    whole = pickles[0].read_bytes()
    pickles[0].write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    try:
        yield
    finally:
        pickles[0].write_bytes(whole)


@pytest.mark.parametrize("ours", [False, True])
def test_a_checkpoint_restores_everything(algo: Quarterdeck, saved: Path, ours: bool) -> None:
    """A restored algorithm has the same counters, optimizer, target network, replay, priorities and epsilons.

    Only RLlib unpickles; `Quarterdeck.from_checkpoint` does not read the pickle and executes nothing.
    """
    algo.restore_from_path(saved)
    if ours:
        with poisoned(saved):
            again = Quarterdeck.from_checkpoint(saved)
    else:
        again = Algorithm.from_checkpoint(str(saved))
    try:
        assert type(again) is Quarterdeck
        assert again.config.num_env_runners == 0
        assert again.iteration == algo.iteration > 0
        same_tree(algo.get_state(), again.get_state())
        same_tree(replay_of(algo), replay_of(again))
        clocks = [
            epsilons(one.settings.exploration, one.settings.fleet.lanes, one.stats.agent_steps) for one in (algo, again)
        ]
        assert 0.1 < clocks[0].mean() < 1.0
        assert clocks[0].tolist() == clocks[1].tolist()
        steps, updates = again.stats.agent_steps, again.stats.updates
        result = again.train()
        assert steps < result["env_runners"]["num_env_steps_sampled_lifetime"] == again.stats.agent_steps < steps + 100
        assert updates < again.stats.updates
    finally:
        again.stop()


def test_going_back_reaches_the_runner(algo: Quarterdeck, saved: Path) -> None:
    """After a restore to fewer updates, the runner pulls the older weights."""
    updates = algo.stats.updates
    train_until(algo, lambda: algo.stats.updates > updates + 20)
    updates = algo.stats.updates
    algo.restore_from_path(str(saved))
    assert algo.stats.updates < updates
    runner = algo.env_runner_group.local_env_runner.runner
    runner._pull(algo.weight_store)
    assert runner.version == algo.stats.updates
    (online,) = algo._each_learner(lambda learner: learner.core.weights())
    for name, value in runner.policy.network.state_dict().items():
        assert np.array_equal(value.numpy(), online[name])


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_tune_searches_and_keeps_checkpoints(tmp_path: Path, tune_leaves_ctrl_c: None) -> None:
    rates = [1e-3, 1e-4]
    results = tune.Tuner(
        Quarterdeck,
        param_space=small_config().training(lr=tune.grid_search(rates)),
        run_config=tune.RunConfig(
            stop={"training_iteration": 2},
            storage_path=str(tmp_path),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=True),
            verbose=0,
        ),
    ).fit()
    assert results.num_errors == 0
    assert sorted(result.config["lr"] for result in results) == sorted(rates)
    for result in results:
        assert result.metrics is not None
        assert result.metrics["training_iteration"] == 2
        assert 0 < result.metrics["env_runners"]["num_env_steps_sampled_lifetime"] <= 2 * 4 * 8
    best = results[0]
    again = Quarterdeck.from_checkpoint(best.checkpoint)
    try:
        assert again.settings.learner.learning_rate == best.config["lr"]
        assert again.iteration == 2
        assert again.stats.agent_steps == best.metrics["env_runners"]["num_env_steps_sampled_lifetime"]
    finally:
        again.stop()

"""The acting network in a runner's process against the learner's network in another process: C19, C20."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import ray
import torch

from cluster.fleet.algorithm import Quarterdeck, QuarterdeckConfig
from tests.cluster.helpers import PATIENCE, TIMEOUT, catch_settings, same_tree, train_until

pytestmark = [pytest.mark.ray, pytest.mark.timeout(TIMEOUT), pytest.mark.usefixtures("ray_cluster")]


@pytest.fixture(scope="module")
def fleet(ray_cluster: None) -> Iterator[Quarterdeck]:
    """Start a fleet with one runner, and train it for more than 20 updates."""
    config = QuarterdeckConfig().from_settings(catch_settings(runners=1))
    algo = config.reporting(min_time_s_per_iteration=0.1).build_algo()
    train_until(algo, lambda: algo.stats.updates > 20)
    yield algo
    algo.stop()


def pulled(algo: Quarterdeck, obs: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Pull weights in the runner; return its process id, version, parameters, values of `obs` and the error message."""
    board = algo.weight_store

    def ask(runner: Any) -> dict[str, Any]:
        error = ""
        try:
            runner._pull(board)
        except ValueError as caught:
            error = str(caught)
        weights = {name: value.numpy() for name, value in runner.policy.network.state_dict().items()}
        found = {"process": os.getpid(), "version": runner.version, "weights": weights, "error": error}
        return {**found, "values": runner.policy.values(obs)}

    (answer,) = algo.env_runner_group.foreach_env_runner(ask, local_env_runner=False, timeout_seconds=PATIENCE)
    return dict(answer)


def test_c20_a_runner_acts_with_what_the_learner_has_learned(fleet: Quarterdeck) -> None:
    """C20: in two processes parameters are equal bit for bit, values within 1e-3 and at least 98% of greedy actions."""
    obs = np.random.default_rng(0).integers(256, size=(64, 441, fleet.settings.network.stack, 16), dtype=np.uint8)
    ray.get(fleet._publish(), timeout=PATIENCE)
    runner = pulled(fleet, obs)
    assert runner["process"] != os.getpid()
    assert runner["version"] == fleet.stats.updates > 20
    (learned,) = fleet._each_learner(lambda learner: learner.core.weights())
    same_tree(runner["weights"], learned)
    with torch.no_grad():
        (values,) = fleet._each_learner(lambda learner: learner.core.online(torch.from_numpy(obs)).numpy())
    np.testing.assert_allclose(runner["values"], values, atol=1e-3)
    assert (runner["values"].argmax(1) == values.argmax(1)).mean() >= 0.98


def test_c19_a_broadcast_with_a_part_missing_changes_nothing(fleet: Quarterdeck) -> None:
    """C19: after incomplete weights are published, a pull raises and the runner keeps its weights and version."""
    obs = np.random.default_rng(1).integers(256, size=(4, 441, fleet.settings.network.stack, 16), dtype=np.uint8)
    ray.get(fleet._publish(), timeout=PATIENCE)
    before = pulled(fleet, obs)
    (learned,) = fleet._each_learner(lambda learner: learner.core.weights())
    part = {name: value + 1 for name, value in list(learned.items())[:-1]}
    ray.get(fleet.weight_store.publish.remote(fleet.stats.updates + 1, [ray.put(part)]), timeout=PATIENCE)
    after = pulled(fleet, obs)
    assert "not all parameters of the acting network" in after.pop("error")
    assert before.pop("error") == ""
    same_tree(after, before)

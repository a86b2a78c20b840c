"""Settings of every kind of training that are trained in a moment."""

from __future__ import annotations

from typing import Any

from tests.cluster.gan_helpers import TINY as TINY_GAN
from tests.cluster.test_sweep_trial import TINY_DQN

TINY_PQN: dict[str, Any] = {
    "env.id": "toy/catch",
    "stop.steps": 360,
    "stop.minutes": 1e9,  # counted from the start of the process, and that is the tests'
    "network.stack": 2,
    "learner.num_envs": 4,
    "learner.steps": 12,
    "learner.minibatches": 2,
    "learner.precision": "fp32",
    "learner.device": "cpu",
    "evaluation.protocol": "training",
    "evaluation.episodes": 4,
    "evaluation.every_episodes": 4,
}
TINY_SELFPLAY: dict[str, Any] = {
    "stop.steps": 300,
    "stop.minutes": 1e9,
    "fleet.envs_per_runner": 4,
    "fleet.chunk_steps": 12,
    "replay.learning_starts": 40,
    "replay.samples_per_insert": 2.0,
    "learner.batch_size": 8,
    "evaluation.episodes": 4,
    "evaluation.every_episodes": 4,
    "league.snapshot_every": 40,
    "league.exploit_every": 50,
    "league.exploit_steps": 50,
}
TINY: dict[str, tuple[str, dict[str, Any]]] = {
    # Minutes are counted from the start of the process, and that is the tests'.
    "dqn": ("catch", {**TINY_DQN, "stop.minutes": 1e9, "evaluation.episodes": 4}),
    "pqn": ("pqn", TINY_PQN),
    "selfplay": ("toy-duel", TINY_SELFPLAY),
    "table": ("taxi", {"steps": 4_000, "report_every": 1_000}),
    "gan": ("own", {**TINY_GAN, "training.images": 480}),
}
DIVERGES = {
    "dqn": {"learner.learning_rate": 1e30},
    "pqn": {"learner.learning_rate": 1e30},
    "selfplay": {"learner.learning_rate": 1e30},
    "gan": {"training.generator_rate": 1e30},
}

"""Settings per workload that train quickly, and settings with which it diverges."""

from __future__ import annotations

from typing import Any

from tests.cluster.gan_helpers import TINY as TINY_GAN
from tests.cluster.sources import TINY_CLONING
from tests.cluster.test_sweep_trial import TINY_DQN

TINY_PQN: dict[str, Any] = {
    "env.id": "toy/catch",
    "stop.steps": 360,
    "stop.minutes": 1e9,  # counted from the start of the test process
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
TINY_RECURRENT: dict[str, Any] = {
    "env.id": "toy/tmaze-5",
    "stop.steps": 360,
    "stop.minutes": 1e9,
    "network.hidden": 8,
    "replay.capacity": 1_000,
    "replay.learning_starts": 60,
    "sequence.burn_in": 4,
    "sequence.unroll": 8,
    "learner.batch_size": 4,
    "fleet.envs_per_runner": 4,
    "fleet.chunk_steps": 8,
    "evaluation.episodes": 4,
    "evaluation.every_episodes": 4,
}
TINY_TORQUES: dict[str, Any] = {
    "env.id": "tests.aim_env:Aim-v0",
    "stop.steps": 360,
    "stop.minutes": 1e9,
    "replay.capacity": 2_000,
    "replay.learning_starts": 100,
    "replay.samples_per_insert": 4.0,
    "learner.batch_size": 16,
    "learner.device": "cpu",
    "fleet.chunk_steps": 40,
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
TINY_UPSCALE: dict[str, Any] = {
    **{name: value for name, value in TINY_GAN.items() if not name.startswith("network.")},
    "crop": 8,
    "network.width": 4,
    "network.blocks": 1,
    "network.discriminator_width": 4,
    "training.images": 480,
}
TINY: dict[str, tuple[str, dict[str, Any]]] = {
    # Minutes are counted from the start of the test process.
    "dqn": ("catch", {**TINY_DQN, "stop.minutes": 1e9, "evaluation.episodes": 4}),
    "pqn": ("pqn", TINY_PQN),
    "recurrent": ("tmaze", TINY_RECURRENT),
    "sac": ("hopper", {**TINY_TORQUES, "network.actor_units": 16, "network.critic_units": 16}),
    "decoupled": ("halfcheetah-decoupled", {**TINY_TORQUES, "network.hidden": 16}),
    "selfplay": ("toy-duel", TINY_SELFPLAY),
    "table": ("frozenlake", {"steps": 4_000, "report_every": 1_000}),
    "cloning": ("cloning", TINY_CLONING),
    "offline": ("offline", {**TINY_CLONING, "learner.target_period": 30}),
    "gan": ("own", {**TINY_GAN, "training.images": 480}),
    "coupled": ("coupled", {**TINY_GAN, "training.images": 480}),
    "style": ("style", {**TINY_GAN, "training.images": 480, "network.style": 6, "network.mapping_layers": 2}),
    "progressive": (
        "progressive",
        {**TINY_GAN, "training.images": 480, "growth.stages": 2, "growth.stable_images": 64, "growth.fade_images": 200},
    ),
    "upscale": ("upscale-photos", TINY_UPSCALE),
}
WITHOUT_NOISE = {name: value for name, value in TINY_GAN.items() if name != "network.latent"}
TINY |= {
    "cycle": (
        "cycle-digits",
        {**WITHOUT_NOISE, "training.images": 480, "second": "mirrored", "held.meaning": 0.0},  # saves two trainings
    )
}
DIVERGES = {
    "dqn": {"learner.learning_rate": 1e30},
    "pqn": {"learner.learning_rate": 1e30},
    "recurrent": {"learner.learning_rate": 1e30},
    "sac": {"learner.learning_rate": 1e30},
    "decoupled": {"learner.learning_rate": 1e30},
    "selfplay": {"learner.learning_rate": 1e30},
    "cloning": {"learner.learning_rate": 1e30},
    "offline": {"learner.learning_rate": 1e30},
    "gan": {"training.generator_rate": 1e30},
}

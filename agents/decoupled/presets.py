"""Presets: functions that return settings, each deviation from the paper's own code in a numbered line."""

from __future__ import annotations

from collections.abc import Callable

from agents.acting.exploration import ExplorationSettings
from agents.decoupled.head import HEAD
from agents.decoupled.settings import DecoupledSettings
from agents.dqn.learner import LearnerSettings
from agents.networks.q_network import NetworkSettings
from agents.replay.transitions import ReplaySettings
from agents.settings import EvaluationSettings, FleetSettings, StopSettings
from envs.base import EnvSettings


def halfcheetah_decoupled() -> DecoupledSettings:
    """HalfCheetah-v5 with full torque or none: DecQN (Seyde et al. 2023) in minutes."""
    return DecoupledSettings(
        env=EnvSettings(id="HalfCheetah-v5"),
        stop=StopSettings(steps=1_000_000, minutes=20.0),  # 1. at most 20 minutes
        network=NetworkSettings(
            kind="mlp",
            stack=1,
            layer_norm=True,  # 2. after both layers, with ReLU; theirs is after the first
            hidden=256,  # 3. half of their units
            head=HEAD,
        ),
        exploration=ExplorationSettings(start=1.0, final=0.1, anneal_steps=20_000),  # 4. theirs is 0.1 from the start
        replay=ReplaySettings(  # 5. uniform; theirs is prioritized
            capacity=1_000_000,
            n_step=3,
            samples_per_insert=64.0,  # 6. an update every four steps, twice as often as theirs
            learning_starts=5_000,
        ),
        learner=LearnerSettings(
            batch_size=256,
            learning_rate=1e-3,  # 7. ten times theirs
            double=True,
            loss="squared",  # 8. theirs is Huber's loss, for rewards from 0 to 1
            reward_clip=0.0,
            target_period=100,
            max_grad_norm=40.0,
            precision="fp32",
        ),
        fleet=FleetSettings(envs_per_runner=4, chunk_steps=8),  # 9. four robots
        evaluation=EvaluationSettings(protocol="training", episodes=20, every_steps=0),
    )


PRESETS: dict[str, Callable[[], DecoupledSettings]] = {"halfcheetah-decoupled": halfcheetah_decoupled}

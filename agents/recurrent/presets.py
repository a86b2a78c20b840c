"""Presets: functions that return settings, each deviation from Kapturowski et al. (2019) in a numbered line."""

from __future__ import annotations

from collections.abc import Callable

from agents.acting.exploration import ExplorationSettings
from agents.dqn.learner_settings import LearnerSettings
from agents.networks.recurrent import MemoryNetworkSettings
from agents.recurrent.settings import RecurrentSettings
from agents.replay.sequences import SequenceSettings
from agents.replay.transitions import ReplaySettings
from agents.settings import EvaluationSettings, FleetSettings, StopSettings
from envs.base import EnvSettings


def tmaze() -> RecurrentSettings:
    """A corridor of 50 steps whose cue is shown in its first cell: memory, and nothing else."""
    return RecurrentSettings(
        env=EnvSettings(id="toy/tmaze-50"),
        stop=StopSettings(steps=200_000, minutes=30.0, score=0.99),
        network=MemoryNetworkSettings(kind="mlp", hidden=32, memory="lstm", span=100, window=64),
        exploration=ExplorationSettings(final=0.1, ladder=2.0, anneal_steps=20_000),
        replay=ReplaySettings(capacity=50_000, n_step=3, samples_per_insert=0.05, learning_starts=5_000),
        sequence=SequenceSettings(burn_in=0, unroll=80),
        learner=LearnerSettings(
            batch_size=16,
            learning_rate=1e-3,
            double=True,
            target_period=100,
            reward_clip=0.0,
            precision="fp32",
            device="cpu",
        ),
        fleet=FleetSettings(runners=1, envs_per_runner=8, chunk_steps=16),
        evaluation=EvaluationSettings(protocol="training", every_steps=0),
    )


def stateless_cartpole() -> RecurrentSettings:
    """CartPole that shows no speeds."""
    return RecurrentSettings(
        env=EnvSettings(id="toy/stateless-cartpole"),
        stop=StopSettings(steps=200_000, minutes=10.0, score=490.0),
        network=MemoryNetworkSettings(kind="mlp", hidden=64, memory="lstm"),
        exploration=ExplorationSettings(final=0.1, ladder=2.0, anneal_steps=10_000),
        replay=ReplaySettings(capacity=50_000, n_step=3, samples_per_insert=2.0, learning_starts=1_000),
        sequence=SequenceSettings(burn_in=10, unroll=20),
        learner=LearnerSettings(
            batch_size=32,
            learning_rate=1e-3,
            double=True,
            target_period=200,
            reward_clip=0.0,
            precision="fp32",
            device="cpu",
        ),
        fleet=FleetSettings(runners=1, envs_per_runner=8, chunk_steps=10),
        evaluation=EvaluationSettings(protocol="training", every_steps=0),
    )


PRESETS: dict[str, Callable[[], RecurrentSettings]] = {"tmaze": tmaze, "stateless-cartpole": stateless_cartpole}

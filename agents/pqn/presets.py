"""Presets: functions that return settings, each deviation from the paper in a numbered line."""

from __future__ import annotations

from collections.abc import Callable

from agents.acting.exploration import ExplorationSettings
from agents.networks.q_network import NetworkSettings
from agents.pqn.learner import PqnLearnerSettings
from agents.pqn.settings import PqnFleetSettings, PqnSettings
from agents.settings import EvaluationSettings, StopSettings
from envs.base import EnvSettings


def pqn() -> PqnSettings:
    """Any Atari game as in Gallici et al. (2024): layer norm, Q(0.65), two epochs per rollout."""
    return PqnSettings(
        env=EnvSettings(id="ALE/Pong-v5", life_signal=True),
        stop=StopSettings(steps=10_000_000),  # 1. a fifth of the paper's 200M frames
        network=NetworkSettings(
            kind="dqn2013",  # 2. the network of 2013, a third of the compute of the paper's, which is that of 2015
            layer_norm=True,
        ),
        exploration=ExplorationSettings(
            final=0.001,
            anneal_steps=250_000,  # 3. epsilon is annealed over 1M frames, not 20M
        ),
        learner=PqnLearnerSettings(
            num_envs=32,  # 4. a quarter of the paper's envs, hence four times as many rollouts
            minibatches=8,  # of 128 transitions each, as with 128 envs and 32 minibatches
        ),
        fleet=PqnFleetSettings(runners=2),  # 16 games each
        evaluation=EvaluationSettings(every_steps=0),
    )


PRESETS: dict[str, Callable[[], PqnSettings]] = {"pqn": pqn}

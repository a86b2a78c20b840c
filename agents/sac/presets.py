"""Presets: functions that return settings, each deviation from the paper in a numbered line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from agents.replay.transitions import ReplaySettings
from agents.sac.learner_settings import SacLearnerSettings
from agents.sac.networks import SacNetworkSettings
from agents.sac.settings import SacSettings
from agents.settings import EvaluationSettings, FleetSettings, StopSettings
from envs.base import EnvSettings


def halfcheetah() -> SacSettings:
    """HalfCheetah-v5 with CrossQ (Bhatt et al. 2024), scaled down to minutes on two CPU cores."""
    return SacSettings(
        env=EnvSettings(id="HalfCheetah-v5"),
        stop=StopSettings(steps=1_000_000, minutes=20.0),  # 1. at most 20 minutes; the authors' code: 5M
        network=SacNetworkSettings(
            critic_units=256,  # 2. an eighth of the paper's width, which is too slow for a core
        ),
        replay=ReplaySettings(
            capacity=1_000_000,
            samples_per_insert=128.0,  # 3. an update every second agent step: twice as many steps in the same time
            learning_starts=5_000,  # 4. with the initial policy's wide Gaussian, not with uniform torques
        ),
        learner=SacLearnerSettings(
            renorm_updates=100_000,  # 5. for all norms; the authors' code counts the actor's updates, a third of these
        ),
        fleet=FleetSettings(envs_per_runner=4, chunk_steps=4),  # 6. four robots, 16 steps a chunk
        evaluation=EvaluationSettings(protocol="training", episodes=20, every_steps=0),
    )


def hopper() -> SacSettings:
    """Hopper-v5 with the settings of `halfcheetah`."""
    return replace(halfcheetah(), env=EnvSettings(id="Hopper-v5"))


PRESETS: dict[str, Callable[[], SacSettings]] = {"halfcheetah": halfcheetah, "hopper": hopper}

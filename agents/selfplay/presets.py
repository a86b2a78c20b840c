"""Presets of self-play."""

from __future__ import annotations

from collections.abc import Callable

from agents.acting.exploration import ExplorationSettings
from agents.dqn.learner import LearnerSettings
from agents.networks.q_network import NetworkSettings
from agents.replay.transitions import ReplaySettings
from agents.selfplay.settings import LeagueSettings, SelfPlaySettings
from agents.settings import EvaluationSettings, FleetSettings, StopSettings
from envs.base import EnvSettings


def pong_duel() -> SelfPlaySettings:
    """Two-player Pong with the recipe of `quarterdeck`, evaluated against the console's built-in opponent."""
    return SelfPlaySettings(
        env=EnvSettings(id="ALE/Pong-v5", frame_cap=27_000),  # 1. games end after 7.5 minutes: rallies may be endless
        stop=StopSettings(steps=1_000_000),
        network=NetworkSettings(kind="dqn2013", layer_norm=True),
        exploration=ExplorationSettings(final=0.1, ladder=2.0, anneal_steps=40_000),
        replay=ReplaySettings(capacity=200_000, n_step=5, samples_per_insert=3.0, learning_starts=10_000),
        learner=LearnerSettings(batch_size=64, learning_rate=2.5e-4, gamma=0.99, target_period=200, average_rate=0.02),
        fleet=FleetSettings(envs_per_runner=16),  # 2. each with two players
        evaluation=EvaluationSettings(every_steps=0, episodes=20),
        league=LeagueSettings(snapshots=0.4, exploiters=0.1, exploit_every=200_000, exploit_steps=100_000),
    )


def toy_duel() -> SelfPlaySettings:
    """Two rounds of uneven rock, paper, scissors, where every strategy can be evaluated exactly."""
    return SelfPlaySettings(
        env=EnvSettings(id="toy/duel"),
        stop=StopSettings(steps=20_000, minutes=5.0),
        network=NetworkSettings(kind="mlp", stack=1, hidden=32),
        exploration=ExplorationSettings(final=0.2, anneal_steps=500),
        replay=ReplaySettings(capacity=2_000, samples_per_insert=16.0, learning_starts=200),
        learner=LearnerSettings(
            batch_size=128,
            learning_rate=2e-3,
            gamma=1.0,
            target_period=25,
            reward_clip=0.0,  # paper beats rock by two points
            precision="fp32",
            device="cpu",
        ),
        fleet=FleetSettings(envs_per_runner=16, chunk_steps=16),
        evaluation=EvaluationSettings(protocol="training", every_steps=0),
        league=LeagueSettings(snapshot_every=500, latest_every=100, snapshots=0.8),
    )


PRESETS: dict[str, Callable[[], SelfPlaySettings]] = {"pong-duel": pong_duel, "toy-duel": toy_duel}

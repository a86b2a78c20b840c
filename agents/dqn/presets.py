"""Presets: functions that return settings, each deviation from its paper in a numbered line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from agents.acting.exploration import ExplorationSettings
from agents.dqn.learner import LearnerSettings
from agents.dqn.papers import apex, dqn2013, dqn2015, qrdqn, rainbow
from agents.dqn.settings import Settings
from agents.networks.q_network import NetworkSettings
from agents.replay.transitions import ReplaySettings
from agents.settings import EvaluationSettings, FleetSettings, StopSettings
from envs.base import EnvSettings


def quarterdeck() -> Settings:
    """The network of Mnih et al. (2013) with settings for two CPU cores, tuned on Pong.

    Works for any Atari game, but its layer norm loses points on Boxing.
    """
    return Settings(
        env=EnvSettings(id="ALE/Breakout-v5"),
        stop=StopSettings(steps=10_000_000),
        network=NetworkSettings(kind="dqn2013", layer_norm=True),  # 1. layer norm (Gallici et al. 2024)
        exploration=ExplorationSettings(
            final=0.1,
            ladder=2.0,
            anneal_steps=40_000,  # 2. fast schedule, lanes end at 0.1 .. 0.001 (Horgan et al. 2018)
        ),
        replay=ReplaySettings(
            capacity=200_000,  # 3. a fifth of the paper's capacity
            n_step=5,  # 4. 5-step returns instead of 1-step ones
            samples_per_insert=3.0,  # 5. instead of 8, in batches twice as large
            learning_starts=10_000,
        ),
        learner=LearnerSettings(
            batch_size=64,
            learning_rate=2.5e-4,  # 6. Adam instead of RMSProp
            gamma=0.99,
            target_period=200,  # 7. a target network (2015), renewed every 4,300 agent steps
            average_rate=0.02,  # 8. evaluated with weights averaged over 1,000 updates (Polyak and Juditsky 1992)
        ),
        fleet=FleetSettings(runners=1, envs_per_runner=32, chunk_steps=16),  # 9. 32 parallel games
    )


def pong() -> Settings:
    """Pong from pixels in minutes: `quarterdeck` until an evaluation or recent training games reach a score."""
    return replace(
        quarterdeck(),
        env=EnvSettings(id="ALE/Pong-v5"),
        stop=StopSettings(steps=3_000_000, minutes=60.0, score=18.5),  # usually 10 minutes, 30 on slow cores
        # An evaluation slows training by a seventh; below 0 in training games no policy reaches the goal.
        # Deterministic games take few distinct courses; ten games may miss one that the policy loses.
        # The cap ends endless rallies, which would delay other evaluations; a game of 21 to 0 has 7,000 frames.
        evaluation=EvaluationSettings(every_steps=40_000, every_episodes=16, every_frame_cap=12_000, from_score=0.0),
    )


def atari() -> Settings:
    """Any Atari game, after Mnih et al. (2013): 8 trained samples per agent step; a lost life ends an episode."""
    return Settings(
        env=EnvSettings(id="ALE/Breakout-v5", life_signal=True),
        stop=StopSettings(steps=10_000_000),
        network=NetworkSettings(kind="dqn2013"),
        exploration=ExplorationSettings(final=0.1, anneal_steps=250_000),  # 4. instead of a million
        replay=ReplaySettings(capacity=1_000_000, samples_per_insert=8.0, learning_starts=50_000),
        learner=LearnerSettings(
            batch_size=256,  # 1. batch 256 every 32 steps instead of 32 every 4: as many samples, fewer updates
            target_period=1_250,  # 2. a target network (2015): 40,000 agent steps between copies
        ),
        fleet=FleetSettings(runners=1, envs_per_runner=32),  # 3. 32 parallel games
        evaluation=EvaluationSettings(epsilon=0.05),  # section 5 of the paper
    )


def cartpole() -> Settings:
    """CartPole-v1 from its state vector: solved (475) in under two minutes."""
    return Settings(
        env=EnvSettings(id="CartPole-v1"),
        stop=StopSettings(steps=200_000, minutes=1.5, score=490.0),
        network=NetworkSettings(kind="mlp", stack=1),
        exploration=ExplorationSettings(final=0.1, ladder=2.0, anneal_steps=10_000),
        replay=ReplaySettings(capacity=50_000, n_step=3, samples_per_insert=8.0, learning_starts=1_000),
        learner=LearnerSettings(
            batch_size=128,
            learning_rate=1e-3,
            target_period=100,
            reward_clip=0.0,
            precision="fp32",
            device="cpu",
        ),
        fleet=FleetSettings(runners=1, envs_per_runner=8, chunk_steps=32),
        evaluation=EvaluationSettings(protocol="training", every_steps=0),
    )


def catch() -> Settings:
    """A toy game of pixels, learned by the network of Mnih et al. (2013) in a core-minute."""
    return Settings(
        env=EnvSettings(id="toy/catch"),
        stop=StopSettings(steps=24_000, minutes=10.0),
        network=NetworkSettings(kind="dqn2013", stack=2),  # two frames show the ball's direction
        exploration=ExplorationSettings(final=0.1, anneal_steps=4_000),
        replay=ReplaySettings(capacity=20_000, samples_per_insert=4.0, learning_starts=500),
        learner=LearnerSettings(batch_size=32, learning_rate=5e-4, target_period=200),
        fleet=FleetSettings(runners=1, envs_per_runner=8, chunk_steps=8),
        evaluation=EvaluationSettings(protocol="training", every_steps=0),
    )


PRESETS: dict[str, Callable[[], Settings]] = {
    "pong": pong,
    "quarterdeck": quarterdeck,
    "atari": atari,
    "cartpole": cartpole,
    "catch": catch,
    "dqn2013": dqn2013,
    "dqn2015": dqn2015,
    "rainbow": rainbow,
    "qrdqn": qrdqn,
    "apex": apex,
}

"""Presets of published agents. Differences from the papers are numbered; all use Adam instead of RMSProp.

All but `apex` play 32 games in parallel, where the papers' agents play one.
"""

from __future__ import annotations

from agents.acting.exploration import ExplorationSettings
from agents.dqn.learner import LearnerSettings
from agents.dqn.settings import Settings
from agents.networks.q_network import NetworkSettings
from agents.replay.transitions import ReplaySettings
from agents.settings import EvaluationSettings, FleetSettings, StopSettings
from envs.base import EnvSettings

GAME = "ALE/Breakout-v5"
FRAMES_200M = StopSettings(steps=50_000_000)


def dqn2013() -> Settings:
    """Mnih et al. (2013), "Playing Atari with Deep Reinforcement Learning": sections 4.1 and 5."""
    return Settings(
        env=EnvSettings(id=GAME),
        stop=StopSettings(steps=10_000_000),
        network=NetworkSettings(kind="dqn2013"),
        exploration=ExplorationSettings(final=0.1, anneal_steps=1_000_000),  # 3. from the first step on
        replay=ReplaySettings(
            capacity=1_000_000,
            samples_per_insert=8.0,  # 4. an update every fourth step, as in 2015; algorithm 1 updates after each
            learning_starts=50_000,  # 5. as in 2015; the paper gives none
        ),
        learner=LearnerSettings(
            batch_size=32,
            target_period=1,  # no target network: copied at every update
            loss="huber",  # 1. clipped errors, as in 2015
            max_grad_norm=10.0,  # 2. the paper does not clip
        ),
        evaluation=EvaluationSettings(epsilon=0.05),
    )


def dqn2015() -> Settings:
    """Mnih et al. (2015), "Human-level control through deep reinforcement learning": extended data table 1."""
    return Settings(
        env=EnvSettings(id=GAME, life_signal=True),
        stop=FRAMES_200M,
        network=NetworkSettings(kind="dqn2015"),
        exploration=ExplorationSettings(final=0.1, anneal_steps=1_000_000),  # 2. from the first step
        replay=ReplaySettings(capacity=1_000_000, samples_per_insert=8.0, learning_starts=50_000),
        learner=LearnerSettings(
            batch_size=32,
            target_period=10_000,
            max_grad_norm=10.0,  # 1. the paper clips errors only
        ),
        evaluation=EvaluationSettings(epsilon=0.05),
    )


def rainbow() -> Settings:
    """Hessel et al. (2018), "Rainbow: Combining Improvements in Deep RL": table 1."""
    return Settings(
        env=EnvSettings(id=GAME, life_signal=True),
        stop=FRAMES_200M,
        network=NetworkSettings(
            kind="dqn2015",
            dueling=True,  # 1. both streams share a hidden layer; in the paper each has its own
            head="categorical",
            atoms=51,
            noisy=True,
        ),
        exploration=ExplorationSettings(start=0.0, final=0.0, anneal_steps=1),  # noisy layers explore
        replay=ReplaySettings(
            capacity=1_000_000,
            prioritized=True,
            alpha=0.5,
            beta_updates=12_500_000,
            n_step=3,
            samples_per_insert=8.0,
            learning_starts=20_000,
        ),
        learner=LearnerSettings(
            batch_size=32,
            learning_rate=6.25e-5,
            adam_epsilon=1.5e-4,
            double=True,
            target_period=2_000,  # 32,000 frames
            max_grad_norm=10.0,  # 2. the paper does not clip
        ),
        evaluation=EvaluationSettings(epsilon=0.001),
    )


def qrdqn() -> Settings:
    """Dabney et al. (2018), "Distributional Reinforcement Learning with Quantile Regression": QR-DQN in 2.5M frames.

    As for its published curves (Castro et al. 2018, arXiv:1812.06110): sticky actions, three-step returns, prioritized
    replay. Without layer norm, with which values on Boxing diverge.
    """
    return Settings(
        env=EnvSettings(id=GAME, sticky=0.25, life_signal=True),  # 1. a lost life is terminal
        stop=StopSettings(steps=625_000),  # 2. instead of 200M frames
        network=NetworkSettings(kind="dqn2015", head="quantile", atoms=51),  # 3. instead of 200 quantiles
        exploration=ExplorationSettings(final=0.01, anneal_steps=250_000),  # from the first step on
        replay=ReplaySettings(
            capacity=700_000,  # 4. instead of a million; never full here
            prioritized=True,
            alpha=0.5,
            n_step=3,
            samples_per_insert=8.0,
            learning_starts=20_000,
        ),
        learner=LearnerSettings(
            batch_size=32,
            learning_rate=5e-5,
            adam_epsilon=3.125e-4,
            target_period=2_000,  # 8,000 agent steps
            max_grad_norm=10.0,  # 5. the paper does not clip
            average_rate=0.02,  # 6. evaluated with weights averaged over 1,000 updates
        ),
    )


def apex() -> Settings:
    """Horgan et al. (2018), "Distributed Prioritized Experience Replay": section 4.1 and appendix C."""
    return Settings(
        env=EnvSettings(id=GAME, life_signal=True),
        stop=FRAMES_200M,
        network=NetworkSettings(kind="dqn2015", dueling=True),  # 1. both streams share a hidden layer
        exploration=ExplorationSettings(start=0.4, final=0.4, ladder=7.0, anneal_steps=1),
        replay=ReplaySettings(
            capacity=2_000_000,
            prioritized=True,
            initial_priority="actor",
            beta_updates=1_000_000_000,  # stays at 0.4
            n_step=3,
            samples_per_insert=1.0,  # 2. fixed; in the paper it depends on machine speed: about 0.8
            learning_starts=50_000,
        ),
        learner=LearnerSettings(
            batch_size=512,
            learning_rate=6.25e-5,
            double=True,
            loss="huber",  # 3. the paper uses squared errors with the same gradient norm
            max_grad_norm=40.0,
        ),
        fleet=FleetSettings(runners=8, envs_per_runner=45, env_threads=1, shards=2),  # 4. 360 lanes in 8 processes
        evaluation=EvaluationSettings(epsilon=0.001),
    )

"""Presets: functions that return settings, after Kapturowski et al. (2019).

The tasks are sized for one core. Common to all: small networks without dueling streams, few games in parallel, small
batches and many updates (the paper: batches of 64 sequences, every step 0.8 times), uniform replay, a discount of 0.99
(theirs 0.997). docs/memory.md lists what else R2D2 has; numbered lines are specific to the task.
"""

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

JUDGED = EvaluationSettings(protocol="training", every_steps=0)


def tmaze() -> RecurrentSettings:
    """T-maze with a corridor of 50 steps and a cue in the first cell, which tests memory only."""
    return RecurrentSettings(
        env=EnvSettings(id="toy/tmaze-50"),
        stop=StopSettings(steps=200_000, minutes=30.0, score=0.95),
        network=MemoryNetworkSettings(
            kind="mlp",
            hidden=32,
            memory="lstm",
            span=100,  # 1. gates are initialised to remember up to 100 steps (Tallec and Ollivier 2018)
            window=64,  # 2. of attention: a corridor and some detours
        ),
        exploration=ExplorationSettings(final=0.05, ladder=2.0, anneal_steps=20_000),
        replay=ReplaySettings(capacity=50_000, n_step=3, samples_per_insert=2.0, learning_starts=5_000),
        sequence=SequenceSettings(
            burn_in=0,  # 3. all 80 rows are learned from, so that the cue is among them
            unroll=80,
        ),
        learner=LearnerSettings(
            batch_size=16,
            learning_rate=3e-3,
            adam_epsilon=1e-8,  # 4. not 1e-3: most rows have errors near 0
            double=True,
            target_period=100,
            reward_clip=0.0,
            precision="fp32",
            device="cpu",
        ),
        fleet=FleetSettings(runners=1, envs_per_runner=8, chunk_steps=16),
        evaluation=JUDGED,
    )


def stateless_cartpole() -> RecurrentSettings:
    """CartPole-v1 without velocities, which must be inferred from earlier observations."""
    return RecurrentSettings(
        env=EnvSettings(id="toy/stateless-cartpole"),
        stop=StopSettings(steps=200_000, minutes=10.0, score=475.0),  # 1. the score may drop again later
        network=MemoryNetworkSettings(kind="mlp", hidden=64, memory="lstm"),
        exploration=ExplorationSettings(final=0.1, ladder=2.0, anneal_steps=10_000),
        replay=ReplaySettings(
            capacity=50_000,
            n_step=3,
            samples_per_insert=4.0,  # 2. every step is learned from 80 times
            learning_starts=1_000,
        ),
        sequence=SequenceSettings(burn_in=10, unroll=20),  # 3. a few steps suffice for velocities
        learner=LearnerSettings(
            batch_size=64,  # 4. at this learning rate batches of 32 reach a score of 450, then drop
            learning_rate=1e-3,
            double=True,
            target_period=200,
            average_rate=0.1,  # 5. the evaluated policy averages the weights of the last 200 updates
            reward_clip=0.0,
            precision="fp32",
            device="cpu",
        ),
        fleet=FleetSettings(runners=1, envs_per_runner=8, chunk_steps=10),
        evaluation=JUDGED,
    )


def repeat_previous() -> RecurrentSettings:
    """POPGym's RepeatPrevious (easy): name the suit of the card three cards ago, for one deck."""
    return RecurrentSettings(
        env=EnvSettings(id="toy/repeat-previous"),
        stop=StopSettings(steps=400_000, minutes=15.0, score=0.98),
        network=MemoryNetworkSettings(kind="mlp", hidden=64, memory="lstm"),
        exploration=ExplorationSettings(final=0.1, ladder=4.0, anneal_steps=40_000),
        replay=ReplaySettings(capacity=50_000, n_step=1, samples_per_insert=0.5, learning_starts=2_000),
        sequence=SequenceSettings(burn_in=8, unroll=24),
        learner=LearnerSettings(
            batch_size=32,
            learning_rate=1e-3,
            adam_epsilon=1e-8,  # 1. rewards are only 1/48 or -1/48
            gamma=0.5,  # 2. an answer has no effect on later rewards
            double=True,
            target_period=200,
            reward_clip=0.0,
            precision="fp32",
            device="cpu",
        ),
        fleet=FleetSettings(runners=1, envs_per_runner=8, chunk_steps=12),
        evaluation=JUDGED,
    )


def flickering_pong() -> RecurrentSettings:
    """Pong whose frames are black with probability 0.5 (Hausknecht and Stone 2015), seen one at a time."""
    return RecurrentSettings(
        env=EnvSettings(id="ALE/Pong-v5", flicker=0.5),
        stop=StopSettings(steps=10_000_000),
        network=MemoryNetworkSettings(kind="dqn2013", layer_norm=True, memory="lstm"),  # 1. the body of `pong`
        exploration=ExplorationSettings(final=0.1, ladder=2.0, anneal_steps=40_000),
        replay=ReplaySettings(capacity=200_000, n_step=5, samples_per_insert=0.15, learning_starts=10_000),
        sequence=SequenceSettings(burn_in=10, unroll=20),  # 2. shorter: three black frames in a row are a 1/8 chance
        learner=LearnerSettings(
            batch_size=4,  # 3. many small updates: with 16 the score was -20.7 after 300,000 steps
            learning_rate=2.5e-4,
            double=True,
            target_period=200,
            average_rate=0.02,
        ),
        fleet=FleetSettings(runners=1, envs_per_runner=32, chunk_steps=20),
    )


PRESETS: dict[str, Callable[[], RecurrentSettings]] = {
    "tmaze": tmaze,
    "stateless-cartpole": stateless_cartpole,
    "repeat-previous": repeat_previous,
    "flickering-pong": flickering_pong,
}

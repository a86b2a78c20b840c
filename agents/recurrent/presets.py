"""Presets: functions that return settings, in the manner of Kapturowski et al. (2019).

The tasks are for one core. Common to all: small networks without dueling streams, a few games at once, small batches in
many updates (the paper trains on 64 sequences at once, and on each step 0.8 times), uniform replay, a discount of 0.99
(theirs 0.997). docs/memory.md lists what else R2D2 has; numbered lines are of the task.
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
    """A corridor of 50 steps whose cue is shown in its first cell: memory, and nothing else."""
    return RecurrentSettings(
        env=EnvSettings(id="toy/tmaze-50"),
        stop=StopSettings(steps=200_000, minutes=30.0, score=0.95),
        network=MemoryNetworkSettings(
            kind="mlp",
            hidden=32,
            memory="lstm",
            span=100,  # 1. gates that hold on for up to 100 steps at first (Tallec and Ollivier 2018)
            window=64,  # 2. of attention: a corridor and some detours
        ),
        exploration=ExplorationSettings(final=0.05, ladder=2.0, anneal_steps=20_000),
        replay=ReplaySettings(capacity=50_000, n_step=3, samples_per_insert=2.0, learning_starts=5_000),
        sequence=SequenceSettings(
            burn_in=0,  # 3. all of the 80 rows are learned from, so that the cue is among them
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
    """CartPole-v1 without its speeds, which are to be told from what was seen before."""
    return RecurrentSettings(
        env=EnvSettings(id="toy/stateless-cartpole"),
        stop=StopSettings(steps=200_000, minutes=10.0, score=475.0),  # 1. later, what was learned may be lost again
        network=MemoryNetworkSettings(kind="mlp", hidden=64, memory="lstm"),
        exploration=ExplorationSettings(final=0.1, ladder=2.0, anneal_steps=10_000),
        replay=ReplaySettings(
            capacity=50_000,
            n_step=3,
            samples_per_insert=4.0,  # 2. a step is learned from 80 times
            learning_starts=1_000,
        ),
        sequence=SequenceSettings(burn_in=10, unroll=20),  # 3. a few steps tell the speeds
        learner=LearnerSettings(
            batch_size=64,  # 4. at this rate batches of 32 come to 450 and fall back
            learning_rate=1e-3,
            double=True,
            target_period=200,
            average_rate=0.1,  # 5. judged by the average of the last 200 updates' weights
            reward_clip=0.0,
            precision="fp32",
            device="cpu",
        ),
        fleet=FleetSettings(runners=1, envs_per_runner=8, chunk_steps=10),
        evaluation=JUDGED,
    )


def repeat_previous() -> RecurrentSettings:
    """POPGym's RepeatPrevious, easy: name the suit of the card three cards ago, a deck long."""
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
            adam_epsilon=1e-8,  # 1. rewards are of 1/48
            gamma=0.5,  # 2. what is answered decides nothing later
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
        sequence=SequenceSettings(burn_in=10, unroll=20),  # 2. shorter: three black frames in a row are one in eight
        learner=LearnerSettings(
            batch_size=4,  # 3. many small updates: with 16 it stood at -20.7 after 300,000 steps
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

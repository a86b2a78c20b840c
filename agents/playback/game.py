"""Playback of one game: its pictures, with the network's values and actions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.acting.episodes import play
from agents.acting.exploration import epsilon_greedy
from agents.acting.policy import Policy
from agents.evaluation.protocol import evaluation_seed, protocol_env
from agents.settings import AgentSettings
from envs.base import BatchedEnv
from envs.colour import make_shown
from envs.vector import GymnasiumEnv

SCREENS_PER_SECOND = 60  # of the console
MOST_PICTURES = 60  # per second: displays show no more


class PlayedStep(NamedTuple):
    """One agent step, before its action is executed."""

    picture: NDArray[np.uint8]  # [H, W, 3]
    obs: NDArray[Any]  # [1, ...] as the network sees it
    q: NDArray[np.floating[Any]]  # [A]; [0] of a policy without values
    action: int  # not executed if the game is over; -1 for torques, which have no number
    score: float  # raw, so far
    over: bool
    attention: NDArray[np.float32] | None = None  # [K] weights of the last K frames, the newest last


class Pace(NamedTuple):
    """Frame rate at which a game is shown in real time."""

    every: int  # agent steps from one picture to the next
    pictures: float  # per second


def shown_env(settings: AgentSettings) -> BatchedEnv:
    """Build an evaluation env for display: Atari games in colour."""
    return make_shown(protocol_env(settings))


def played_steps(policy: Policy, settings: AgentSettings, env: BatchedEnv, every: int = 1) -> Iterator[PlayedStep]:
    """Play one evaluation game in `env`; yield each `every`-th step and the last one."""
    explore = epsilon_greedy(np.array([settings.evaluation.epsilon]), np.random.default_rng(settings.seed))
    score = 0.0
    for time, (step, acted) in enumerate(play(env, policy, explore, evaluation_seed(settings.seed))):
        over = bool((step.terminated | step.truncated).any())
        score += float(step.reward[0])
        if time % every and not over:
            continue
        looked = acted.attention[0] if acted.attention is not None else None
        action = -1 if env.spec.joints else int(acted.action[0])
        yield PlayedStep(env.render(), acted.obs.copy(), acted.values[0], action, score, over, looked)
        if over:
            return


def steps_per_second(env: BatchedEnv, frame_skip: int) -> float:
    """Return a Gymnasium env's `render_fps`, else 60 / `frame_skip`: 15 for the usual 4."""
    own = env.steps_per_second if isinstance(env, GymnasiumEnv) else None
    return own or SCREENS_PER_SECOND / frame_skip


def pace_of(env: BatchedEnv, settings: AgentSettings) -> Pace:
    """Return the real-time pace of a game; steps are skipped if there are more than a display shows."""
    steps = steps_per_second(env, settings.env.frame_skip)
    every = math.ceil(steps / MOST_PICTURES)
    return Pace(every, steps / every)

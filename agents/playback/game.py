"""One game as somebody looks at it: what is shown, what the network makes of it, what it does."""

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
MOST_PICTURES = 60  # a second: screens show no more


class PlayedStep(NamedTuple):
    """One agent step, before its action is done."""

    picture: NDArray[np.uint8]  # [H, W, 3]
    obs: NDArray[Any]  # [1, ...] as the network sees it
    q: NDArray[np.floating[Any]]  # [A]; [0] of a policy without values
    action: int  # not done any more where the game is over; -1 of torques, which have no number
    score: float  # raw, so far
    over: bool
    attention: NDArray[np.float32] | None = None  # [K] what each of the last K frames weighed, the newest last


class Pace(NamedTuple):
    """How a game is shown at its own speed."""

    every: int  # agent steps from one picture to the next
    pictures: float  # a second


def shown_env(settings: AgentSettings) -> BatchedEnv:
    """The env of an evaluation, to look at: Atari games in colour."""
    return make_shown(protocol_env(settings))


def played_steps(policy: Policy, settings: AgentSettings, env: BatchedEnv, every: int = 1) -> Iterator[PlayedStep]:
    """One evaluation game in `env` from its first to its last step, of which every so many are shown, and the last."""
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
    """As a Gymnasium env says (`render_fps`); of all that say nothing 15, where an action lasts 4 of 60 screens."""
    own = env.steps_per_second if isinstance(env, GymnasiumEnv) else None
    return own or SCREENS_PER_SECOND / frame_skip


def pace_of(env: BatchedEnv, settings: AgentSettings) -> Pace:
    """A game's own speed; steps are left out where no screen has time."""
    steps = steps_per_second(env, settings.env.frame_skip)
    every = math.ceil(steps / MOST_PICTURES)
    return Pace(every, steps / every)

"""One game as somebody looks at it: what is shown, what the network makes of it, what it does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.acting.exploration import epsilon_greedy
from agents.acting.policy import Actor
from agents.dqn.settings import Settings
from agents.evaluation.protocol import evaluation_seed, protocol_env
from agents.replay.frames import FrameStack, blocks_shape, colours_of, to_blocks
from envs.base import BatchedEnv
from envs.colour import make_shown

SCREENS_PER_SECOND = 60  # of the console


class PlayedStep(NamedTuple):
    """One agent step, before its action is done."""

    picture: NDArray[np.uint8]  # [H, W, 3]
    obs: NDArray[Any]  # [1, P, K, D] as the network sees it
    q: NDArray[np.float32]  # [A]
    action: int  # not done any more where the game is over
    score: float  # raw, so far
    over: bool


def shown_env(settings: Settings) -> BatchedEnv:
    """The env of an evaluation, to look at: Atari games in colour."""
    return make_shown(protocol_env(settings))


def played_steps(actor: Actor, settings: Settings, env: BatchedEnv) -> Iterator[PlayedStep]:
    """One evaluation game in `env` from its first to its last picture."""
    frames = FrameStack(1, blocks_shape(env.frame_shape), settings.network.stack, env.frame_dtype)
    rng, score = np.random.default_rng(settings.seed), 0.0
    epsilon = np.array([settings.evaluation.epsilon])
    step = env.reset(evaluation_seed(settings.seed))
    while True:
        over = bool((step.terminated | step.truncated).any())
        obs = frames.push(to_blocks(step.frame, colours_of(env.frame_shape)), step.first)
        q = actor.values(obs)
        action = epsilon_greedy(q, epsilon, rng)
        yield PlayedStep(env.render(), obs.copy(), q[0], int(action[0]), score, over)
        if over:
            return
        step = env.step(action)
        score += float(step.reward[0])


def pictures_per_second(settings: Settings) -> float:
    """The game's own speed: 15 for Atari games whose actions last 4 of 60 screens a second; elsewhere the same."""
    return SCREENS_PER_SECOND / settings.env.frame_skip

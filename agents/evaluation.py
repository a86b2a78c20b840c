"""Judging a policy: frozen weights, a fixed epsilon, an exact number of whole games, raw scores."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from agents.config import EvaluationSettings, Settings
from agents.frames import FrameStack, blocks_shape, to_blocks
from agents.networks import QNetwork
from agents.policy import epsilon_greedy
from agents.rollout import TRAINING_SEEDS, Actor
from envs import make_world
from envs.base import World, WorldSettings, classic, machado
from envs.scores import human_normalised, reference_scores


class Scores(NamedTuple):
    """Raw scores and lengths of N whole games, in the order (env, game)."""

    scores: NDArray[np.float64]  # [N]
    steps: NDArray[np.int64]  # [N] agent steps
    frames: NDArray[np.int64]  # [N] emulator frames
    protocol: dict[str, Any]

    def summary(self) -> dict[str, Any]:
        """What goes into the run's record; `human_normalised` is the mean's, None where no human score is known."""
        mean, game = float(self.scores.mean()), str(self.protocol.get("game"))
        return {
            "protocol": self.protocol,
            "episodes": len(self.scores),
            "mean": mean,
            "std": float(self.scores.std()),
            "min": float(self.scores.min()),
            "max": float(self.scores.max()),
            "human_normalised": float(human_normalised(game, mean)) if game in reference_scores() else None,
            "scores": self.scores.tolist(),
            "episode_frames": self.frames.tolist(),
        }


def protocol_world(settings: Settings) -> WorldSettings:
    """The rules of an evaluation: the protocol's, or those of training with whole games."""
    return protocol_rules(settings.world, settings.evaluation.protocol)


def protocol_rules(world: WorldSettings, protocol: str) -> WorldSettings:
    """`world` under a named protocol: `classic`, `machado` or `training`."""
    if protocol == "training":
        return dataclasses.replace(world, life_signal=False)
    # A policy keeps the action set it was trained with: for Machado et al.'s 18, train with full_actions.
    rules = {"classic": classic, "machado": machado}[protocol](world.env)
    return dataclasses.replace(rules, full_actions=world.full_actions, frame_skip=world.frame_skip)


def evaluation_seed(seed: int) -> int:
    """The first world seed of an evaluation: never one of training's, which lie below 2^30 (`agents.rollout`)."""
    return TRAINING_SEEDS + int(np.random.SeedSequence(seed).generate_state(1)[0] >> 3)


def evaluate(
    actor: Actor,
    world: World,
    settings: EvaluationSettings,
    *,
    stack: int,
    episodes: int,
    seed: int,
    on_step: Callable[[int], None] = lambda done: None,
) -> Scores:
    """Play exactly `episodes` games, the same number in every env, so that short games count no more than long ones.

    Args:
        on_step: told after every step how many games are done.

    Raises:
        ValueError: the episodes cannot be shared evenly among the world's envs.
    """
    envs = world.num_envs
    if episodes % envs:
        raise ValueError(f"{episodes} episodes cannot be shared evenly among {envs} envs")
    quota = episodes // envs
    rng = np.random.default_rng(seed)
    frames = FrameStack(envs, blocks_shape(world.frame_shape), stack, world.frame_dtype)
    score, steps, raw = (
        np.zeros((envs, quota)),
        np.zeros((envs, quota), np.int64),
        np.zeros((envs, quota), np.int64),
    )
    game, lane = np.zeros(envs, np.int64), np.arange(envs)
    step = world.reset(evaluation_seed(seed))
    while (game < quota).any():
        obs = frames.push(to_blocks(step.frame), step.first)
        step = world.step(epsilon_greedy(actor.values(obs), np.full(envs, settings.epsilon), rng))
        running = lane[game < quota]
        score[running, game[running]] += step.reward[running]
        steps[running, game[running]] += ~step.first[running]
        raw[running, game[running]] += step.frames[running]
        game += (step.terminated | step.truncated) & (game < quota)
        on_step(int(game.sum()))
    protocol = {"name": settings.protocol, "epsilon": settings.epsilon, **world.protocol}
    return Scores(score.ravel(), steps.ravel(), raw.ravel(), protocol)


def envs_for(episodes: int, most: int = 50) -> int:
    """The largest number of envs up to `most` that shares `episodes` evenly.

    Raises:
        ValueError: there are no episodes to share.
    """
    if episodes < 1:
        raise ValueError(f"episodes is {episodes}: play 1 or more")
    return max(n for n in range(1, min(episodes, most) + 1) if episodes % n == 0)


def evaluate_network(
    actor: Actor,
    settings: Settings,
    *,
    episodes: int,
    threads: int,
    on_step: Callable[[int], None] = lambda done: None,
) -> Scores:
    """`evaluate` in a world of its own, built for the settings' protocol and closed again."""
    world = make_world(protocol_world(settings), envs_for(episodes), threads)
    try:
        return evaluate(
            actor,
            world,
            settings.evaluation,
            stack=settings.network.stack,
            episodes=episodes,
            seed=settings.seed,
            on_step=on_step,
        )
    finally:
        world.close()


def policy_of(state: dict[str, Any], settings: Settings) -> Actor:
    """The policy in a checkpoint's `learner` branch, for the world of the settings.

    Raises:
        ValueError: the weights are those of another network or game.
    """
    world = make_world(settings.world, 1)
    world.close()
    network = QNetwork(settings.network, world.frame_shape, world.num_actions).requires_grad_(False)
    try:
        network.load_state_dict({name: torch.tensor(value) for name, value in state["learner"]["policy"].items()})
    except RuntimeError:
        raise ValueError("the checkpoint's network does not fit its settings: train anew, or restore the run") from None
    return Actor(network, precision=settings.learner.precision)

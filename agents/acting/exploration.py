"""Exploration: epsilon-greedy with a schedule and one final epsilon per lane. Legend: E lanes, A actions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.acting.policy import Explore
from training.settings import check_kinds


@dataclass(frozen=True, kw_only=True)
class ExplorationSettings:
    """Epsilon is annealed linearly from `start` to each lane's final value, final^(1 + ladder * lane / (lanes - 1)).

    The ladder is Ape-X's (Horgan et al. 2018, section 4.1: final 0.4, ladder 7); ladder 0 is one epsilon for all.
    """

    start: float = 1.0
    final: float = 0.1
    ladder: float = 0.0
    anneal_steps: int = 1_000_000  # agent steps of the whole fleet

    def __post_init__(self) -> None:
        check_kinds(self, "exploration")
        if not (0.0 <= self.final <= self.start <= 1.0):
            raise ValueError(f"exploration needs 0 <= final <= start <= 1, not {self.final} and {self.start}")
        if self.ladder < 0 or self.anneal_steps < 1:
            raise ValueError("exploration.ladder must be 0 or more, exploration.anneal_steps 1 or more")


def final_epsilons(settings: ExplorationSettings, num_lanes: int) -> NDArray[np.float64]:
    """Return each lane's final epsilon [E], a function of the lane only, so a restarted runner keeps its values."""
    place = np.arange(num_lanes) / max(num_lanes - 1, 1)
    return np.asarray(settings.final ** (1.0 + settings.ladder * place), np.float64)


def epsilons(settings: ExplorationSettings, num_lanes: int, agent_steps: int) -> NDArray[np.float64]:
    """Return each lane's epsilon [E] after `agent_steps` of the whole fleet."""
    progress = min(agent_steps / settings.anneal_steps, 1.0)
    # This form ends exactly at `final`, with which lanes are compared.
    return (1.0 - progress) * settings.start + progress * final_epsilons(settings, num_lanes)


def random_actions(epsilon: NDArray[np.float64], num_actions: int, rng: np.random.Generator) -> NDArray[np.int32]:
    """Return a uniformly random action with probability epsilon, else -1, for each of E lanes."""
    explore = rng.random(len(epsilon)) < epsilon
    return np.where(explore, rng.integers(num_actions, size=len(epsilon)), -1).astype(np.int32)


def epsilon_greedy(epsilon: NDArray[np.float64], rng: np.random.Generator) -> Explore:
    """Return epsilon-greedy exploration of E lanes with their own epsilon [E]."""
    return Explore(lambda num_actions: random_actions(epsilon, num_actions, rng))


def greedy_epsilon(settings: ExplorationSettings, num_lanes: int) -> float:
    """Return the epsilon up to which training games count as the policy's: 0.02, or the lowest final one if higher.

    With the ladder of `pong` 21 of 32 lanes end below it.
    """
    return max(0.02, float(final_epsilons(settings, num_lanes).min()))

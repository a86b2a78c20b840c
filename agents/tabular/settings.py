"""Settings and presets of tabular runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from training.settings import check_kinds, check_seed

Algorithm = Literal["q_learning", "random", "sarsa", "double_q"]


@dataclass(frozen=True, kw_only=True)
class TabularSettings:
    """Settings of a tabular run. The defaults reach an optimal policy on Taxi-v3 and the slippery FrozenLake-v1.

    Raises:
        ValueError: a setting is out of its range.
    """

    env: str = "Taxi-v3"
    """An env whose states are numbered: Gymnasium's text games or "toy/chain"."""
    algorithm: Algorithm = "q_learning"
    """Update rule (`agents/tabular/learner.py`); `random` is Q-learning with epsilon 1 throughout."""
    seed: int = 0
    steps: int = 400_000
    """Agent steps over all envs."""
    num_envs: int = 16
    discount: float = 0.99
    initial_q: float = 1.0
    """Initial action value. Above every possible return, it makes the learner try all states and actions."""
    learning_rate: float = 1.0
    """Step size alpha of the first visit to a state and action."""
    rate_decay: float = 0.6
    """The n-th visit has alpha = learning_rate / n^rate_decay (Even-Dar and Mansour 2003); 0 keeps it constant."""
    epsilon: float = 1.0
    """Probability of a random action at the start; annealed linearly to `final_epsilon` at the end."""
    final_epsilon: float = 0.5
    report_every: int = 20_000
    """Agent steps between two progress reports."""

    def __post_init__(self) -> None:
        check_kinds(self, "")
        check_seed(self.seed)
        for name in ("steps", "num_envs", "report_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: give at least 1")
        for name in ("discount", "rate_decay", "epsilon", "final_epsilon"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} is {getattr(self, name)}: give a number from 0 to 1")
        if not 0.0 < self.learning_rate <= 1.0:
            raise ValueError(f"learning_rate is {self.learning_rate}: give a number above 0, at most 1")


def taxi() -> TabularSettings:
    """Preset: Taxi-v3. `replace(taxi(), env="FrozenLake-v1")` learns the lake with the same settings."""
    return TabularSettings()


def frozenlake() -> TabularSettings:
    """Preset: the slippery lake of 4 x 4, with the settings of `taxi`."""
    return replace(
        taxi(),
        env="FrozenLake-v1",
        steps=200_000,  # 1. sixteen states: half the steps
    )


def cliffwalking() -> TabularSettings:
    """Preset: the cliff of Sutton and Barto's example 6.6, with the settings of `taxi`."""
    return replace(
        taxi(),
        env="CliffWalking-v1",
        steps=200_000,  # 1. 48 states: half the steps
        discount=1.0,  # 2. as in the book, undiscounted: a value is minus the steps that are left
        initial_q=0.0,  # 3. above every possible return: everything is tried
        learning_rate=0.5,  # 4. constant: the game is deterministic, there is no noise to average out
        rate_decay=0.0,
    )


PRESETS: dict[str, Callable[[], TabularSettings]] = {
    "taxi": taxi,
    "frozenlake": frozenlake,
    "cliffwalking": cliffwalking,
}

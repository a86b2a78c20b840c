"""All settings of a PQN run; the fields of each section are documented where they are defined."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import tyro

from agents.acting.exploration import ExplorationSettings
from agents.networks.q_network import NetworkSettings
from agents.pqn.learner import PqnLearnerSettings
from agents.settings import EvaluationSettings, StopSettings
from envs.base import EnvSettings
from training.settings import check_kinds, check_seed


def _judged_in_the_end() -> EvaluationSettings:
    return EvaluationSettings(every_steps=0)


@dataclass(frozen=True, kw_only=True)
class PqnFleetSettings:
    """How the games of a run are distributed over processes."""

    runners: int = 1  # actors, each with an equal share of learner.num_envs
    roles: bool = False  # place them only on nodes that offer `rollout` slots
    shards: ClassVar[int] = 0  # there is no replay
    learners: ClassVar[int] = 0  # the main process learns

    def __post_init__(self) -> None:
        check_kinds(self, "fleet")
        if self.runners < 1:
            raise ValueError(f"fleet.runners is {self.runners}: use 1 or more")


@dataclass(frozen=True, kw_only=True)
class PqnSettings:
    """One PQN run (Gallici et al. 2024, arXiv:2407.04811), in one process or on a fleet.

    Raises:
        ValueError: a setting is out of its range, or not supported by PQN.
    """

    env: Annotated[EnvSettings, tyro.conf.arg(name="")] = field(default_factory=EnvSettings)  # --env, --sticky ...
    stop: Annotated[StopSettings, tyro.conf.arg(name="")] = field(default_factory=StopSettings)  # --steps ...
    parts: ClassVar[str] = "agents.pqn.parts"  # module of its factories (`agents.parts`)
    seed: int = 0
    checkpoint_minutes: float = 5.0  # for a fleet; one process saves every 5,000 time steps instead
    network: NetworkSettings = field(default_factory=NetworkSettings)
    exploration: ExplorationSettings = field(default_factory=ExplorationSettings)
    learner: PqnLearnerSettings = field(default_factory=PqnLearnerSettings)
    fleet: PqnFleetSettings = field(default_factory=PqnFleetSettings)
    evaluation: EvaluationSettings = field(default_factory=_judged_in_the_end)

    def __post_init__(self) -> None:
        check_kinds(self, "")
        check_seed(self.seed)
        if self.checkpoint_minutes <= 0:
            raise ValueError("checkpoint_minutes must be above 0")
        if self.network.head != "scalar":
            raise ValueError(f"network.head is {self.network.head!r}: PQN learns values, use scalar")
        if self.network.noisy:
            raise ValueError("network.noisy is for agents with a replay: PQN explores by exploration.*, use false")
        if self.evaluation.every_steps:
            raise ValueError("evaluation.every_steps needs a process of its own, which PQN lacks: use 0")
        self._check_shares()

    def _check_shares(self) -> None:
        """Check that one runner's rollout fills all minibatches, so that training goes on if the others are lost.

        Raises:
            ValueError: games cannot be shared evenly, or one runner's are too few for the minibatches.
        """
        envs, runners = self.learner.num_envs, self.fleet.runners
        if envs % runners:
            raise ValueError(f"learner.num_envs is {envs} and fleet.runners {runners}: give a multiple of the runners")
        fewest = envs // runners * (self.learner.steps // 2)  # every other row may be a reset
        if self.learner.minibatches > fewest:
            raise ValueError(
                f"learner.minibatches is {self.learner.minibatches}, and the rollout of a runner may hold {fewest} "
                "transitions only: lower it, or raise learner.steps (2 or more) or num_envs"
            )

    @property
    def envs_per_runner(self) -> int:
        """Games of each runner."""
        return self.learner.num_envs // self.fleet.runners

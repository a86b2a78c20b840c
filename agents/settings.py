"""Settings shared by all agents: fleet, evaluation and stopping."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from agents.replay.keys import MAX_LANES, MAX_SHARDS
from envs.base import EnvSettings
from training.settings import check_kinds


class AgentSettings(Protocol):
    """Settings of any deep agent."""

    parts: ClassVar[str]  # module of its factories (`agents.parts`)

    @property
    def env(self) -> EnvSettings: ...

    @property
    def evaluation(self) -> EvaluationSettings: ...

    @property
    def seed(self) -> int: ...


class FleetSize(Protocol):
    """Number and placement of a fleet's actors."""

    @property
    def runners(self) -> int: ...

    @property
    def shards(self) -> int: ...

    @property
    def learners(self) -> int: ...

    @property
    def roles(self) -> bool: ...


class OnDevice(Protocol):
    """Settings of a learner."""

    @property
    def device(self) -> str: ...


class SpreadSettings(AgentSettings, Protocol):
    """Settings of an agent that a fleet can train."""

    @property
    def fleet(self) -> FleetSize: ...

    @property
    def learner(self) -> OnDevice: ...


@dataclass(frozen=True, kw_only=True)
class FleetSettings:
    """Numbers of processes and sizes of messages."""

    runners: int = 1  # rollout actors
    envs_per_runner: int = 32  # envs of an actor, stepped as a batch
    env_threads: int = 2  # emulator threads of an actor; 2 halve the time of resets
    chunk_steps: int = 16  # rows per lane in a message
    shards: int = 0  # replay actors; 0 keeps replay in the learner
    learners: int = 0  # learner actors, one GPU each with learner.device cuda; 0 trains in the main process
    learner_threads: int = 1  # torch threads of a learner on a CPU
    roles: bool = False  # place actors only on nodes with `rollout`, `replay` and `learner` slots

    def __post_init__(self) -> None:
        check_kinds(self, "fleet")
        for name in ("runners", "envs_per_runner", "env_threads", "chunk_steps", "learner_threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"fleet.{name} is {getattr(self, name)}: use 1 or more")
        most = min(self.runners, MAX_SHARDS)
        if not 0 <= self.shards <= most:
            limit = "runners" if most == self.runners else "the limit of replay keys"
            raise ValueError(f"fleet.shards is {self.shards}: use 0 (replay in the learner) to {most} ({limit})")
        if self.shard_lanes > MAX_LANES:
            raise ValueError(
                f"the fleet has {self.shard_lanes} lanes a replay shard, which holds {MAX_LANES}: use more fleet.shards"
            )
        if self.learners < 0 or (self.learners > 1 and self.shards == 0):
            raise ValueError(
                f"fleet.learners is {self.learners}: use 0 (the main process), 1, or more that share fleet.shards"
            )

    @property
    def lanes(self) -> int:
        """Number of envs of the whole fleet."""
        return self.runners * self.envs_per_runner

    @property
    def shard_lanes(self) -> int:
        """Lanes of a replay shard; all lanes if there are no shards."""
        return -(-self.runners // max(self.shards, 1)) * self.envs_per_runner


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """Evaluation: frozen weights, seeds disjoint from training, the same number of games in every env."""

    protocol: Literal["classic", "machado", "training"] = "classic"  # training: the rules of training
    episodes: int = 100  # of the closing evaluation
    epsilon: float = 0.0
    every_steps: int = 250_000  # agent steps between evaluations during training; 0 for none
    every_episodes: int = 8
    every_frame_cap: int = 108_000  # emulator frames after which their games end, if below the protocol's cap
    from_score: float | None = None  # mean score of training games below which they are skipped

    def __post_init__(self) -> None:
        check_kinds(self, "evaluation")
        if self.episodes < 1 or self.every_episodes < 1 or self.every_steps < 0:
            raise ValueError("evaluation.episodes and every_episodes must be 1 or more, every_steps 0 or more")
        if self.every_frame_cap < 1:
            raise ValueError(f"evaluation.every_frame_cap is {self.every_frame_cap}: give 1 or more frames")
        if not 0 <= self.epsilon <= 1:
            raise ValueError(f"evaluation.epsilon is {self.epsilon}: a probability lies in 0..1")


@dataclass(frozen=True, kw_only=True)
class StopSettings:
    """Stopping criteria; the first one met ends the run."""

    steps: int = 50_000_000  # agent steps
    minutes: float = 1e9  # wall-clock minutes from the start of the command, summed over resumed parts
    score: float | None = None
    """Mean score of the last 30 games of the lanes at low epsilon (0.02 or less), or of an evaluation in between."""

    def __post_init__(self) -> None:
        check_kinds(self, "stop")
        if self.steps < 1 or self.minutes <= 0:
            raise ValueError("steps must be 1 or more, minutes above 0")

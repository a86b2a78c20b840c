"""All settings of a deep Q-learning run; the fields of each section are documented where they are defined."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import tyro

from agents.acting.exploration import ExplorationSettings
from agents.dqn.learner import LearnerSettings
from agents.networks.q_network import NetworkSettings
from agents.replay.frames import blocks_shape
from agents.replay.transitions import ReplaySettings, stored_action
from agents.settings import EvaluationSettings, FleetSettings, StopSettings
from envs.base import EnvSettings, EnvSpec
from training.settings import check_kinds, check_seed

ROW_BYTES = 10  # of a replay row without frame and action: reward (4), two flags, version (4)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One deep Q-learning run."""

    env: Annotated[EnvSettings, tyro.conf.arg(name="")] = field(default_factory=EnvSettings)  # --env, --sticky ...
    stop: Annotated[StopSettings, tyro.conf.arg(name="")] = field(
        default_factory=StopSettings
    )  # --steps, --minutes ...
    parts: ClassVar[str] = "agents.dqn.parts"  # module of its factories (`agents.parts`)
    seed: int = 0
    checkpoint_minutes: float = 5.0  # for a fleet; one process saves every 5,000 time steps instead
    network: NetworkSettings = field(default_factory=NetworkSettings)
    exploration: ExplorationSettings = field(default_factory=ExplorationSettings)
    replay: ReplaySettings = field(default_factory=ReplaySettings)
    learner: LearnerSettings = field(default_factory=LearnerSettings)
    fleet: FleetSettings = field(default_factory=FleetSettings)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)

    def __post_init__(self) -> None:
        check_kinds(self, "")
        check_seed(self.seed)
        if self.checkpoint_minutes <= 0:
            raise ValueError("checkpoint_minutes must be above 0")
        if self.fleet.learners and self.learner.device not in ("auto", "cpu", "cuda", "cuda:0"):
            raise ValueError(
                f"learner.device is {self.learner.device!r}, and each of fleet.learners sees one GPU, its own: use cuda"
            )

    def shard_replay(self) -> ReplaySettings:
        """Return the replay settings of one shard: its share of the capacity, and no learning_starts."""
        shards = max(self.fleet.shards, 1)
        return dataclasses.replace(self.replay, capacity=self.replay.capacity // shards, learning_starts=0)

    def rows_per_lane(self) -> int:
        """Return the number of replay rows per lane.

        Raises:
            ValueError: they are too few for the chunks, or for stacks and n-step windows.
        """
        rows = self.shard_replay().capacity // self.fleet.shard_lanes
        least = max(4 * (self.network.stack + self.replay.n_step), 2 * self.fleet.chunk_steps)
        if rows < least:
            raise ValueError(
                f"replay.capacity {self.replay.capacity} leaves {rows} frames a lane, and {least} are needed: "
                "raise it, or use fewer envs or shorter chunks"
            )
        return rows

    def replay_bytes(self, spec: EnvSpec) -> int:
        """Return the bytes of a full replay, over all shards."""
        blocks, depth = blocks_shape(spec.frame_shape)
        tree = 32 if self.replay.prioritized else 0
        row = blocks * depth * spec.frame_dtype.itemsize + stored_action(spec).itemsize + ROW_BYTES
        return self.replay.capacity * (row + tree)

"""All settings of a recurrent run; the fields of each section are documented where they are defined."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from agents.dqn.settings import Settings
from agents.networks.recurrent import MemoryNetworkSettings, MemoryQNetwork
from agents.replay.sequences import SequenceSettings
from envs.base import EnvSpec

STATE_BYTES = 4  # per number of a state


@dataclass(frozen=True, kw_only=True)
class RecurrentSettings(Settings):
    """One run of recurrent deep Q-learning, whose samples are sequences.

    `learner.batch_size` counts sequences, `replay.samples_per_insert` sequences trained on per agent step: a step is
    learned from samples_per_insert * sequence.unroll times.

    Raises:
        ValueError: a setting is out of its range, or not supported for sequences.
    """

    parts: ClassVar[str] = "agents.recurrent.parts"
    network: MemoryNetworkSettings = field(default_factory=MemoryNetworkSettings)
    sequence: SequenceSettings = field(default_factory=SequenceSettings)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.learner.munchausen or self.learner.reset_period:
            raise ValueError("learner.munchausen and reset_period are not for sequences: leave them at 0")
        if self.learner.conservative or self.replay.initial_priority != "max":
            raise ValueError(
                "learner.conservative and replay.initial_priority actor are not for sequences: leave them at 0 and max"
            )
        if self.fleet.chunk_steps > self.sequence.unroll:
            raise ValueError(
                f"sequences begin fleet.chunk_steps {self.fleet.chunk_steps} rows apart and teach "
                f"{self.sequence.unroll}: rows between them would be lost, raise sequence.unroll"
            )

    def rows_per_lane(self) -> int:
        """Return the rows that replay keeps of every lane.

        Raises:
            ValueError: they are too few for whole sequences.
        """
        rows = super().rows_per_lane()
        length = self.sequence.burn_in + self.sequence.unroll + self.replay.n_step
        if rows < length + 2 * self.fleet.chunk_steps:
            raise ValueError(
                f"replay.capacity {self.replay.capacity} leaves {rows} rows a lane, and a sequence has {length}: "
                "raise it, or use fewer envs or shorter sequences"
            )
        return rows

    def replay_bytes(self, spec: EnvSpec) -> int:
        """Return the bytes of a full replay over all shards: rows, and the state at the beginning of every chunk."""
        size = int(MemoryQNetwork(self.network, spec.frame_shape, spec.num_actions).memory.size)
        return super().replay_bytes(spec) + self.replay.capacity // self.fleet.chunk_steps * size * STATE_BYTES

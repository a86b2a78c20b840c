"""Settings of recurrent Q-learning: refusals, and the estimate of a run's memory."""

from __future__ import annotations

import pytest

from agents.dqn.serial import SerialLoop
from agents.replay.shard import COLUMNS
from tests.agents.test_recurrent import small


def test_impossible_settings_are_refused() -> None:
    for wrong, remedy in (
        ({"fleet_chunk_steps": 9}, "raise sequence.unroll"),
        ({"learner_munchausen": 0.9, "learner_double": False}, "leave them at 0"),
        ({"learner_conservative": 1.0}, "are not for sequences"),
        ({"replay_prioritized": True, "replay_initial_priority": "actor"}, "leave them at 0 and max"),
        ({"sequence_eta": 1.5}, "sequence.eta"),
        ({"sequence_unroll": 0}, "1 or more"),
        ({"network_memory": "tape"}, "network.memory"),
    ):
        with pytest.raises(ValueError, match=remedy):
            small(**wrong)
    with pytest.raises(ValueError, match="use fewer envs or shorter sequences"):
        small(replay_capacity=1_000, sequence_burn_in=300).rows_per_lane()


@pytest.mark.parametrize("kind", ["lstm", "attention"])
def test_memory_is_known_beforehand(kind: str) -> None:
    """The estimate is within 2 % of the bytes of a shard's arrays."""
    run = SerialLoop(small(network_memory=kind, replay_capacity=24_000))
    shard, spec = run.replay, run.env.spec
    columns = sum(getattr(shard, name).nbytes for name in (*COLUMNS, "memory", "frames"))
    assert run.settings.replay_bytes(spec) == pytest.approx(columns, rel=0.02)
    run.close()

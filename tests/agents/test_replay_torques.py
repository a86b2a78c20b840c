"""Replay of torques: storage with their rows, and refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box

from agents.imitation.writer import new_dataset
from agents.replay.shard import ReplayShard
from agents.replay.transitions import Chunk, ReplaySettings, stored_action
from envs.base import EnvSettings, EnvSpec
from tests.specs import spec_of

SPEC = EnvSpec((1,), np.dtype(np.float32), Box(-1.0, 1.0, (3,), np.float32))
LANES, TIME = 2, 40


def shard_of(spec: EnvSpec) -> ReplayShard:
    """Return an empty shard of two lanes."""
    settings = ReplaySettings(capacity=1_000, n_step=2, learning_starts=0)
    return ReplayShard(settings, lanes=LANES, spec=spec, stack=1, gamma=0.9, seed=0)


def chunk_of(**columns: Any) -> Chunk:
    """Return a chunk whose frames number its rows and lanes, and whose torques follow from these numbers."""
    row = np.arange(TIME)[:, None] + 100 * np.arange(LANES)
    flags = np.zeros((TIME, LANES), np.bool_)
    first = flags.copy()
    first[0] = True
    torques = np.stack([row / 200, -row / 200, row * 0.0], axis=2).astype(np.float32)
    whole = {"frames": row[..., None, None].astype(np.float32), "action": torques, "reward": row.astype(np.float32)}
    return Chunk(**{**whole, "terminal": flags, "first": first, **columns}, lane=0, version=0, row=0)


def test_torques_come_back_with_their_rows() -> None:
    shard = shard_of(SPEC)
    assert (shard.action.shape, shard.action.dtype) == ((1_000, 3), np.float32)
    shard.add(chunk_of())
    batch = shard.sample(64)
    row = batch.obs[:, 0, 0, 0]
    assert len(row.unique()) > 20
    assert batch.action.dtype == torch.float32
    torch.testing.assert_close(batch.action, torch.stack([row / 200, -row / 200, 0 * row], 1))
    other = shard_of(SPEC)
    other.load_state(shard.state())
    torch.testing.assert_close(other.sample(8).action, shard.sample(8).action)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"action": np.zeros((TIME, LANES), np.uint16)}, "the chunk's action is uint16: give"),
        ({"action": np.zeros((TIME, LANES, 2), np.float32)}, "the chunk's action is .*2.*: give .*3"),
        ({"action": np.zeros((TIME, LANES, 3), np.float64)}, "the chunk's action is .*f8.*: give .*f4"),
        ({"action": np.full((TIME, LANES, 3), np.nan, np.float32)}, "action holds a number that is not finite"),
        ({"reward": np.zeros((TIME, LANES, 3), np.float32)}, "reward has another shape than its action"),
    ],
)
def test_other_actions_are_refused(columns: dict[str, Any], reason: str) -> None:
    shard = shard_of(SPEC)
    with pytest.raises(ValueError, match=reason):
        shard.add(chunk_of(**columns))
    assert shard.mass == 0


def test_numbers_are_kept_in_two_bytes_and_torques_in_four_each() -> None:
    assert stored_action(spec_of()) == np.dtype(np.uint16)
    assert (stored_action(SPEC).base, stored_action(SPEC).shape, stored_action(SPEC).itemsize) == (np.float32, (3,), 12)
    assert not np.issubdtype(shard_of(spec_of((2,))).action.dtype, np.floating)


def test_a_data_set_of_torques_is_refused_before_anything_is_played(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with (
        pytest.raises(ValueError, match="takes 3 torques"),
        new_dataset(folder, EnvSettings(), SPEC, {"player": "one"}),
    ):
        raise AssertionError("never here")
    assert not folder.exists()

"""Blocks of pixels and stacks of frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from agents.replay.frames import FrameStack, blocks_shape, from_blocks, to_blocks
from tests.coded_env import decode, encode

sides = st.integers(1, 6).map(lambda n: 4 * n)


@given(data=st.data(), height=sides, width=sides, lead=st.lists(st.integers(1, 3), max_size=2))
def test_blocks_and_back_keep_every_byte(data: st.DataObject, height: int, width: int, lead: list[int]) -> None:
    frame = data.draw(arrays(np.uint8, (*lead, height, width)))
    blocks = to_blocks(frame)
    assert blocks.shape == (*lead, *blocks_shape((height, width)))
    np.testing.assert_array_equal(from_blocks(blocks, (height, width)), frame)


def test_a_block_is_a_square_of_pixels_row_by_row() -> None:
    """Block (i, j) of 84 / 4 columns holds pixels [4i .. 4i + 3, 4j .. 4j + 3]."""
    frame = np.random.default_rng(0).integers(256, size=(84, 84), dtype=np.uint8)
    blocks = to_blocks(frame)
    for i, j in ((0, 0), (3, 5), (20, 20), (0, 20)):
        np.testing.assert_array_equal(blocks[21 * i + j], frame[4 * i : 4 * i + 4, 4 * j : 4 * j + 4].ravel())


def test_codes_survive_the_round_trip() -> None:
    assert decode(from_blocks(to_blocks(encode(7, 300, 70_000)), (84, 84))) == (7, 300, 70_000)


def test_vectors_are_one_block() -> None:
    vector = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert to_blocks(vector).shape == (2, *blocks_shape((3,)))
    np.testing.assert_array_equal(from_blocks(to_blocks(vector), (3,)), vector)


def test_sides_that_are_no_multiple_of_four_are_refused() -> None:
    for shape in ((210, 160), (84, 85)):
        with pytest.raises(ValueError, match="use multiples of 4"):
            to_blocks(np.zeros(shape, np.uint8))


@given(
    first=arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 4))),
    depth=st.integers(1, 5),
)
def test_c10_a_stack_holds_the_last_frames_of_the_episode(first: Any, depth: int) -> None:
    """C10: oldest first; the episode's first frame fills the places before it; no frame of the last episode stays."""
    time, envs = first.shape
    first[0] = True
    stack = FrameStack(depth)
    history: list[list[int]] = [[] for _ in range(envs)]
    for t in range(time):
        blocks = 100 * t + np.arange(envs)
        seen = stack.push(blocks[:, None, None], first[t])
        for env in range(envs):
            history[env] = [int(blocks[env])] if first[t, env] else [*history[env], int(blocks[env])]
            recent = history[env][-depth:]
            assert seen[env, 0, :, 0].tolist() == [recent[0]] * (depth - len(recent)) + recent

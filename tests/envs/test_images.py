"""Images of external envs as frames: pixels kept in place, sides padded to multiples of 4."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.replay.frames import blocks_shape, colours_of, from_blocks, to_blocks
from envs.base import EnvSettings
from envs.images import ImageFrames
from envs.registry import make_env

sides = st.integers(1, 41)


@given(height=sides, width=sides, colours=st.sampled_from([0, 1, 2, 3, 4]), seed=st.integers(0, 99))
def test_pixels_stay_where_they_are(height: int, width: int, colours: int, seed: int) -> None:
    """Pixels are unchanged, padding is black, and conversion to blocks and back gives the same frame."""
    shape = (height, width, colours) if colours else (height, width)
    image = np.random.default_rng(seed).integers(1, 256, (2, *shape), dtype=np.uint8)
    frames = ImageFrames(shape, 0, grayscale=False)
    frame = frames(image)
    assert frame.shape == (2, *frames.frame_shape)
    assert all(side % 4 == 0 for side in frames.frame_shape[:2])
    seen = frame[:, :height, :width]
    np.testing.assert_array_equal(seen, image[..., 0] if colours == 1 else image)
    assert frame.astype(int).sum() == image.astype(int).sum(), "the rest is black"
    blocks = to_blocks(frame, colours_of(frames.frame_shape))
    assert blocks.shape == (2, *blocks_shape(frames.frame_shape))
    np.testing.assert_array_equal(from_blocks(blocks, frames.frame_shape), frame)


@given(height=sides, width=sides, value=st.integers(0, 255))
def test_even_images_stay_even_when_they_are_scaled(height: int, width: int, value: int) -> None:
    frames = ImageFrames((height, width, 3), 12, grayscale=True)
    frame = frames(np.full((1, height, width, 3), value, np.uint8))
    assert frame.shape == (1, 12, 12)
    assert (frame == value).all()


def test_colours_weigh_as_the_eye_sees_them() -> None:
    """Grey values of pure colours follow ITU-R BT.601: green has most weight, blue least."""
    pure = np.zeros((3, 4, 4, 3), np.uint8)
    for colour in range(3):
        pure[colour, ..., colour] = 255
    gray = ImageFrames((4, 4, 3), 0, grayscale=True)(pure)
    assert [int(frame[0, 0]) for frame in gray] == [76, 150, 29]


def test_what_cannot_be_is_one_line() -> None:
    with pytest.raises(ValueError, match="weighs 3 colours, and these images have 5"):
        ImageFrames((8, 8, 5), 0, grayscale=True)
    with pytest.raises(ValueError, match="cannot import nowhere_at_all"):
        make_env(EnvSettings(id="nowhere_at_all:Maze-v0"), 1)
    for module in ("./nowhere_at_all", "..nowhere", ""):
        with pytest.raises(ValueError, match=rf"cannot import {re.escape(module)} \(a module has a name like"):
            make_env(EnvSettings(id=f"{module}:Maze-v0"), 1)
    with pytest.raises(ValueError, match="importing json registers no Maze-v0"):
        make_env(EnvSettings(id="json:Maze-v0"), 1)
    with pytest.raises(ValueError, match="leave image_size and grayscale alone"):
        make_env(EnvSettings(id="toy/catch", image_size=84), 1)

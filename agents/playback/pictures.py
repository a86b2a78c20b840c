"""Pictures of a policy for TensorBoard: an animation of a game, with attention or saliency maps."""

from __future__ import annotations

import io
from collections.abc import Iterable
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from agents.acting.policy import Policy, QPolicy
from agents.networks.q_network import QNetwork
from agents.playback.game import PlayedStep, played_steps, shown_env
from agents.playback.saliency import saliency
from agents.replay.frames import from_blocks
from agents.settings import AgentSettings
from training.run import Picture
from training.storage.files import png

STEPS = 120  # agent steps shown: eight seconds of an Atari game
TALLEST = 210  # greatest height in pixels of the animation
COLUMNS = 4  # game steps in a strip
CELL = 4  # side in pixels of one attention weight
SCALE = 2  # enlargement of a strip's frames
BRIGHTEST = 99.5  # percentile of a saliency map that is drawn at full strength

Pixels = NDArray[np.uint8]  # [H, W, 3]


def pictures_of(policy: Policy, settings: AgentSettings, at: int) -> list[Picture]:
    """Animate the beginning of an evaluation game, with its attention or saliency map; `at` is in agent steps.

    The result is empty if the env cannot be rendered, or not on this machine.
    """
    shown = begin_of_game(policy, settings)
    if not shown:
        return []
    about = "The first 120 steps of one evaluation game: always the same seed, frozen weights."
    game = Picture("evaluation/game", animation(shown), at, about)
    if shown[0].attention is not None:
        about = "What a step of that game (a row, the first at the top) gives to each frame so far (a column)."
        return [game, Picture("evaluation/attention", png(attention_map(shown), scale=1), at, about)]
    looked = strip(policy.network, shown) if isinstance(policy, QPolicy) else None
    if looked is None:
        return [game]
    about = (
        "Frames of that game, and in red how much the value of the best action moves with each pixel: "
        "|dQ/dpixel|, the strongest over the stacked frames (Simonyan et al. 2013, arXiv:1312.6034)."
    )
    return [game, Picture("evaluation/saliency", png(looked, scale=1), at, about)]


def begin_of_game(policy: Policy, settings: AgentSettings) -> list[PlayedStep]:
    """Play the first 120 steps of an evaluation game, always with the same seed; none if the env cannot be rendered."""
    env = shown_env(settings)
    try:
        return list(islice(played_steps(policy, settings, env), STEPS))
    except ValueError:  # a text env, or a renderer without a display; other failures raise other types
        return []
    finally:
        env.close()


def animation(shown: list[PlayedStep]) -> bytes:
    """Encode the pictures as a GIF at 15 frames per second."""
    step = -(-shown[0].picture.shape[0] // TALLEST)
    pictures = [Image.fromarray(moment.picture[::step, ::step]) for moment in shown]
    out = io.BytesIO()
    pictures[0].save(out, "GIF", save_all=True, append_images=pictures[1:], duration=1000 // 15, loop=0)
    return out.getvalue()


def attention_map(game: list[PlayedStep]) -> Pixels:
    """Draw the attention weights of N frames, a row per step: uint8 [N * 4, N * 4, 3], white for a weight of 1."""
    drawn = np.zeros((len(game), len(game)), np.uint8)
    for time, moment in enumerate(game):
        assert moment.attention is not None
        newest = moment.attention[-time - 1 :]
        drawn[time, time + 1 - len(newest) : time + 1] = (255 * newest).round()
    return np.stack([drawn] * 3, axis=-1).repeat(CELL, axis=0).repeat(CELL, axis=1)


def strip(network: QNetwork, game: list[PlayedStep]) -> Pixels | None:
    """Draw four game steps side by side, the newest frame above the same frame with its saliency in red.

    Returns uint8 [2 * H * 2, 4 * W * 2, 3]; None for envs without pixels.
    """
    if not network.pixels:
        return None
    chosen = [game[index] for index in np.linspace(0, len(game) - 1, COLUMNS).astype(int)]
    obs = np.concatenate([moment.obs for moment in chosen])
    frames = from_blocks(np.ascontiguousarray(obs[:, :, -1]), network.frame_shape)
    if frames.ndim == 4 and frames.shape[3] != 3:
        frames = frames.mean(3).astype(np.uint8)  # channels are not RGB
    shown = np.stack([frames] * 3, axis=-1) if frames.ndim == 3 else frames
    rows = np.concatenate((shown, _overlaid(shown, saliency(network, obs))), axis=1)
    return _side_by_side(rows).repeat(SCALE, axis=0).repeat(SCALE, axis=1)


def _overlaid(gray: Pixels, strength: NDArray[np.float32]) -> Pixels:
    """Halve the brightness of frames [B, H, W, 3] and draw saliency [B, H, W] into their red channel."""
    top = np.maximum(np.percentile(strength, BRIGHTEST, axis=(1, 2), keepdims=True), 1e-12)
    dim = gray // 2
    dim[..., 0] = np.maximum(dim[..., 0], 255 * np.minimum(strength / top, 1.0))
    return dim


def _side_by_side(rows: Iterable[Pixels]) -> Pixels:
    joined: Any = np.concatenate(list(rows), axis=1)
    return np.asarray(joined, np.uint8)

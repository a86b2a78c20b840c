"""One game as a video."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imageio.v2 as imageio
import numpy as np

from agents.config import Settings
from agents.evaluation import evaluation_seed, protocol_world
from agents.frames import FrameStack, blocks_shape, to_blocks
from agents.policy import epsilon_greedy
from agents.rollout import Actor
from envs import make_world

ATARI_FPS = 15  # 60 emulator frames a second, 4 to an agent step


def record(actor: Actor, settings: Settings, out: Path) -> float:
    """Play one evaluation game into an .mp4 of 15 pictures a second; returns its raw score.

    Raises:
        ValueError: the file cannot be written, or is no .mp4.
    """
    if out.suffix != ".mp4" or out.is_dir():
        raise ValueError(f"{out} cannot be a video: name it FILE.mp4")
    part = out.with_name(f"{out.stem}.part.mp4")
    try:
        part.touch()
    except OSError as error:
        raise ValueError(f"cannot write {out} ({error.strerror}): name another --out") from None
    world = make_world(protocol_world(settings), 1)
    frames = FrameStack(1, blocks_shape(world.frame_shape), settings.network.stack, world.frame_dtype)
    rng, score = np.random.default_rng(settings.seed), 0.0
    try:
        writer: Any = imageio.get_writer(part, fps=ATARI_FPS, macro_block_size=2)
        with writer as video:
            step = world.reset(evaluation_seed(settings.seed))
            while True:
                video.append_data(world.render())
                if (step.terminated | step.truncated).any():
                    break
                obs = frames.push(to_blocks(step.frame), step.first)
                step = world.step(epsilon_greedy(actor.values(obs), np.array([settings.evaluation.epsilon]), rng))
                score += float(step.reward[0])
        part.replace(out)
    except OSError as error:
        raise ValueError(f"cannot write {out} ({error}): name another --out") from None
    finally:
        world.close()
        part.unlink(missing_ok=True)
    return score

"""One game as a video."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imageio.v2 as imageio

from agents.acting.policy import Policy
from agents.playback.game import pace_of, played_steps, shown_env
from agents.playback.overlay import Panel
from agents.settings import AgentSettings
from envs.colour import action_names
from training.storage.files import whole


def record(policy: Policy, settings: AgentSettings, out: Path, *, values: bool = False) -> float:
    """Record one evaluation game as an .mp4 in real time and colour; return its raw score.

    Args:
        values: draw the network's values beside the screen.

    Raises:
        ValueError: the file cannot be written or is not an .mp4, the env cannot be rendered, or `values` is set for an
            env with torques.
    """
    if out.suffix != ".mp4" or out.is_dir():
        raise ValueError(f"{out} cannot be a video: name it FILE.mp4")
    try:
        with whole(out) as part:
            part.touch()  # fails before a game is played
            return _film(policy, settings, part, values=values)
    except OSError as error:
        raise ValueError(f"cannot write {out} ({error.strerror or error}): name another --out") from None


def _film(policy: Policy, settings: AgentSettings, file: Path, *, values: bool) -> float:
    env = shown_env(settings)
    score = 0.0
    try:
        if values and env.spec.joints:
            raise ValueError(f"{settings.env.id} takes torques, which have no values to draw: leave out --values")
        panel, pace = Panel(action_names(env)), pace_of(env, settings)
        writer: Any = imageio.get_writer(file, fps=pace.pictures, macro_block_size=2)
        with writer as video:
            for moment in played_steps(policy, settings, env, pace.every):
                video.append_data(panel.beside(moment) if values else moment.picture)
                score = moment.score
    finally:
        env.close()
    return score

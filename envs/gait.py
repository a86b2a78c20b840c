"""Side views of MuJoCo bodies, drawn from the physics state without a display or graphics driver."""

from __future__ import annotations

import contextlib
import importlib
import sys
import warnings
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

SIDE = 480  # pixels of a picture
METRES = 3.2  # width of the world that it shows
GROUND = 0.2  # share of the picture below height 0
SKY, EARTH, MARK = (232, 238, 245), (196, 203, 190), (120, 126, 116)
SPHERE, CAPSULE, CYLINDER = 2, 3, 5  # kinds of MuJoCo's geoms that are drawn


def is_mujoco(env: Any) -> bool:
    """Return whether an unwrapped env is one of Gymnasium's MuJoCo tasks."""
    loaded = sys.modules.get("gymnasium.envs.mujoco.mujoco_env")  # imported by every such env
    return loaded is not None and isinstance(env, loaded.MujocoEnv)


def quiet_mujoco(env: str) -> None:
    """Keep MuJoCo from writing its warnings to a file in the working directory; they become Python warnings.

    Does nothing if the env does not import MuJoCo. Import errors are ignored, since making the env reports them.
    """
    module, _, name = env.rpartition(":")
    with contextlib.suppress(ImportError, gymnasium.error.Error):
        if module:
            importlib.import_module(module)  # registers the id
        spec = gymnasium.registry.get(name)
        if spec is not None and isinstance(spec.entry_point, str):
            importlib.import_module(spec.entry_point.partition(":")[0])
    if mujoco := sys.modules.get("mujoco"):
        mujoco.set_mju_user_warning(_warned)


def _warned(message: str) -> None:
    if "deprecated" not in message:  # about Gymnasium's own models
        warnings.warn(f"MuJoCo: {message}", RuntimeWarning, stacklevel=2)


def side_view(env: Any) -> NDArray[np.uint8]:
    """Draw a MujocoEnv's bodies in the x-z plane, centred on the first, with a mark on the ground every metre.

    Spheres, capsules and cylinders are drawn to scale, the nearest last. Returns uint8 [480, 480, 3], RGB.
    """
    model, data = env.model, env.data
    middle, scale = float(data.xpos[1][0]), SIDE / METRES
    picture = Image.new("RGB", (SIDE, SIDE), SKY)
    draw = ImageDraw.Draw(picture)

    def place(point: NDArray[np.float64]) -> tuple[float, float]:
        return (point[0] - middle) * scale + SIDE / 2, SIDE * (1.0 - GROUND) - point[2] * scale

    floor = SIDE * (1.0 - GROUND)
    draw.rectangle((0, floor, SIDE, SIDE), EARTH)
    for metre in range(int(middle - METRES), int(middle + METRES) + 1):
        x = place(np.array([metre, 0.0, 0.0]))[0]
        draw.line((x, floor, x, floor + 10), MARK, 2)
        draw.text((x + 4, floor + 12), f"{metre} m", MARK)
    for g in np.argsort(-data.geom_xpos[:, 1], kind="stable"):
        kind, (radius, half, _) = int(model.geom_type[g]), model.geom_size[g]
        if kind not in (SPHERE, CAPSULE, CYLINDER):
            continue
        along = data.geom_xmat[g].reshape(3, 3)[:, 2] * (half if kind != SPHERE else 0.0)
        colour = tuple(int(255 * share) for share in model.geom_rgba[g][:3])
        ends = [place(data.geom_xpos[g] + sign * along) for sign in (-1.0, 1.0)]
        draw.line(ends, colour, max(round(2 * radius * scale), 1))
        for x, y in ends:  # round caps
            draw.ellipse((x - radius * scale, y - radius * scale, x + radius * scale, y + radius * scale), colour)
    return np.asarray(picture, np.uint8)

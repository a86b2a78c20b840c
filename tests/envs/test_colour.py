"""The colour screen shows the same game as the learner's frames."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from envs import EnvSettings, machado, make_env
from envs.colour import ColourAtari, action_names, make_shown

RULES = {
    "classic": EnvSettings(id="pong"),
    "sticky": machado("breakout"),
    "cut": EnvSettings(id="pong", frame_cap=80, noop_max=5),
}


def as_the_learner_sees_it(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Convert colours [210, 320, 3] to grey [84, 84]: luminance, then means over each pixel's area."""
    gray = picture[:, ::2].astype(np.float64) @ (0.2989, 0.587, 0.114)
    return np.asarray(Image.fromarray(gray.astype(np.float32)).resize((84, 84), Image.Resampling.BOX), np.float64)


def played(env: ColourAtari, steps: int) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8], bool]]:
    """Yield (frame, picture, whether a game begins) of `steps` random steps."""
    rng = np.random.default_rng(0)
    step = env.reset(7)
    for _ in range(steps):
        yield step.frame[0], env.render(), bool(step.first[0])
        step = env.step(rng.integers(env.spec.num_actions, size=1))


def likeness(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the correlation of the moving parts of two films [T, H, W]."""
    moving = [film - np.median(film, axis=0) for film in (one, other)]
    return float(np.corrcoef(moving[0].ravel(), moving[1].ravel())[0, 1])


@pytest.mark.parametrize("rules", RULES)
def test_colours_and_frames_show_the_same_moment(rules: str) -> None:
    """Both emulators stay synchronised through no-ops, sticky actions and truncated games."""
    env = ColourAtari(RULES[rules])
    pairs = list(played(env, 150))
    env.close()
    seen = np.array([frame for frame, _, _ in pairs], np.float64)
    shown = np.array([as_the_learner_sees_it(picture) for _, picture, _ in pairs])
    now, late = likeness(seen, shown), likeness(seen[2:], shown[:-2])
    assert now > 0.95
    assert late < now - 0.1, "the comparison notices two steps of delay"
    assert sum(first for _, _, first in pairs) == (150 // 21 + 1 if rules == "cut" else 1)


def test_pictures_have_colours_and_the_shape_of_a_television() -> None:
    env = make_shown(EnvSettings(id="breakout"))
    env.reset(0)
    picture = env.render()
    env.close()
    assert picture.shape == (210, 320, 3)
    assert (picture.max(2) - picture.min(2)).max() > 100
    assert action_names(env) == ["NOOP", "FIRE", "RIGHT", "LEFT"]


def test_looking_changes_no_game() -> None:
    """The env with a colour screen gives the same steps as the plain one."""
    plain, shown = make_env(RULES["sticky"], 1), make_shown(RULES["sticky"])
    rng = np.random.default_rng(1)
    one, other = plain.reset(3), shown.reset(3)
    for _ in range(60):
        assert np.array_equal(one.frame, other.frame)
        assert (one.reward[0], one.terminated[0]) == (other.reward[0], other.terminated[0])
        action = rng.integers(plain.spec.num_actions, size=1)
        one, other = plain.step(action), shown.step(action)
    plain.close()
    shown.close()


def test_other_envs_are_shown_as_they_are() -> None:
    env = make_shown(EnvSettings(id="toy/catch"))
    env.reset(0)
    assert env.render().shape == (84, 84, 3)
    assert action_names(env) == ["0", "1", "2"]
    with pytest.raises(RuntimeError, match="never reset"):
        make_shown(EnvSettings(id="pong")).render()

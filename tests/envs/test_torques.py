"""Envs with torques compared with Gymnasium itself, and MuJoCo rendering."""

from __future__ import annotations

from pathlib import Path

import gymnasium
import mujoco
import numpy as np
import pytest
from gymnasium.spaces import Box

from envs import EnvSettings, make_env
from envs.registry import require_numbers, require_torques
from envs.vector import GymnasiumEnv
from tests.aim_env import AIM


@pytest.mark.parametrize(("name", "joints"), [("Pendulum-v1", 1), ("HalfCheetah-v5", 6)])
def test_torques_are_shares_of_the_envs_own_bounds(name: str, joints: int) -> None:
    """Torques in -1..1 are scaled to the env's bounds (Pendulum: -2..2), also across a time limit and reset."""
    env, plain = GymnasiumEnv(name, 1), gymnasium.make(name)
    bounds = plain.action_space
    assert isinstance(bounds, Box)
    assert env.spec.actions == Box(-1.0, 1.0, (joints,), np.float32)
    assert (env.spec.joints, env.protocol["joints"]) == (joints, joints)
    shown, rng = env.reset(3), np.random.default_rng(0)
    np.testing.assert_array_equal(shown.frame[0], np.float32(plain.reset(seed=3)[0]))
    for _ in range(220 if joints == 1 else 20):
        action = rng.uniform(-1, 1, (1, joints)).astype(np.float32)
        over = bool((shown.terminated | shown.truncated)[0])
        shown = env.step(action)
        if over:
            expected = plain.reset()[0]
            assert shown.first[0]
        else:
            expected, reward, *_ = plain.step(action[0] * bounds.high)
            assert shown.reward[0] == pytest.approx(float(reward), rel=1e-4)
        np.testing.assert_allclose(shown.frame[0], expected, rtol=1e-4, atol=1e-4)
    env.close()


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (np.zeros(2, np.float32), r"float32 \[2\]: give floats \[2, 2\]"),
        (np.zeros((2, 2), np.int64), r"int64 \[2, 2\]: give floats"),
        (np.full((2, 2), 1.01), "give torques from -1 to 1"),
        (np.full((2, 2), np.nan), "give torques from -1 to 1"),
    ],
)
def test_torques_that_do_not_fit_are_refused(action: np.ndarray, reason: str) -> None:
    env = GymnasiumEnv(AIM, 2)
    env.reset(0)
    with pytest.raises(ValueError, match=reason):
        env.step(action)
    env.close()


def test_who_wants_the_other_kind_of_action_is_told_what_to_train() -> None:
    aim, cartpole = make_env(EnvSettings(id=AIM), 1), make_env(EnvSettings(id="CartPole-v1"), 1)
    with pytest.raises(ValueError, match="takes 2 torques, not numbered actions: train halfcheetah --env NAME"):
        _ = aim.spec.num_actions
    with pytest.raises(ValueError, match="Aim-v0 takes torques, not numbered actions: train halfcheetah --env tests"):
        require_numbers(AIM, aim.spec)
    with pytest.raises(ValueError, match="CartPole-v1 has numbered actions, not torques: train cartpole"):
        require_torques("CartPole-v1", cartpole.spec)
    require_numbers("CartPole-v1", cartpole.spec)
    require_torques(AIM, aim.spec)
    assert (aim.spec.joints, cartpole.spec.joints) == (2, 0)


@pytest.mark.parametrize("name", ["HalfCheetah-v5", "tests.own_cheetah:OwnCheetah-v0"])
def test_bodies_are_drawn_from_the_side(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rendering shows the moving body before a fixed background, and MuJoCo writes no file."""
    monkeypatch.chdir(tmp_path)
    mujoco.set_mju_user_warning(None)  # as in a new process
    env = make_env(EnvSettings(id=name), 1)
    env.reset(0)
    before = env.render()
    assert (before.shape, before.dtype) == ((480, 480, 3), np.uint8)
    assert (env.render() == before).all()
    for _ in range(5):
        env.step(np.ones((1, 6), np.float32))
    after = env.render()
    changed = (before != after).any(2)
    assert 100 < changed.sum() < changed.size / 4, "limbs moved, and sky and ground stayed"
    body = (after[:384] != after[0, 0]).any(2)
    rows = np.flatnonzero(body.any(1))
    assert 150 < rows.min() < rows.max() < 384, "it stands on the ground, less than a metre and a half high"
    env.close()
    assert list(tmp_path.iterdir()) == []

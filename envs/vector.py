"""Any Gymnasium env with discrete actions or torques, as a `BatchedEnv`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete, Space
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from numpy.typing import NDArray

from envs.base import MAX_ACTIONS, EnvSpec, TimeStep
from envs.checks import checked_action, checked_seed, checked_torques
from envs.gait import is_mujoco, quiet_mujoco, side_view
from envs.images import ImageFrames, is_image
from envs.text import time_limit
from training.messages import first_line


class GymnasiumEnv:
    """E copies of a Gymnasium env, stepped one after the other in this process.

    A frame is float32 [D] for a vector observation, uint8 [H, W] or [H, W, C] for an image, and int64 [1], counted from
    0, for one of `num_states` states. An action lasts one frame. Time limits are those of the registered env, or of
    `envs.text`. If the env takes a bounded vector, an action is J torques from -1 to 1, scaled to its bounds.

    Args:
        env: a Gymnasium id, for example "CartPole-v1", "Taxi-v3" or "package.module:Id".
        num_envs: E.
        image_size, grayscale: of images (`envs.images`).

    Raises:
        ValueError: Gymnasium cannot make it, or its actions or observations are not supported.
    """

    def __init__(self, env: str, num_envs: int, *, image_size: int = 0, grayscale: bool = False) -> None:
        quiet_mujoco(env)
        try:
            probe = gymnasium.make(env)
        except (gymnasium.error.Error, ImportError) as error:
            raise ValueError(f"Gymnasium cannot make {env}: {first_line(error)}") from error
        actions, observations = probe.action_space, probe.observation_space
        self._draws = "rgb_array" in (probe.metadata.get("render_modes") or ())
        self.steps_per_second: float | None = probe.metadata.get("render_fps")  # speed for display
        probe.close()  # type: ignore[no-untyped-call]
        self.num_envs = num_envs
        self._images: ImageFrames | None = None
        if isinstance(observations, Box) and is_image(observations.shape, observations.dtype):
            self._images = ImageFrames(observations.shape, image_size, grayscale=grayscale)
            shape, dtype = self._images.frame_shape, np.dtype(np.uint8)
        elif image_size or grayscale:
            raise ValueError(f"{env} shows no images: leave image_size and grayscale alone")
        else:
            shape, dtype = _frame_type(env, observations)
        self.spec = EnvSpec(shape, dtype, _actions_of(env, actions))
        self.num_states = int(observations.n) if isinstance(observations, Discrete) else None
        self._actions: Any = actions
        self._state_offset = int(observations.start) if isinstance(observations, Discrete) else 0
        self._env_name = env
        # An env without pictures may not accept the option.
        options: dict[str, Any] = {"render_mode": "rgb_array"} if self._draws else {}
        limit = time_limit(env)
        self._envs = SyncVectorEnv(
            [lambda: gymnasium.make(env, max_episode_steps=limit, **options)] * num_envs,
            autoreset_mode=AutoresetMode.NEXT_STEP,
        )
        shown = {"image_size": image_size, "grayscale": grayscale} if self._images else {}
        self.protocol: Mapping[str, str | int | float | bool] = {
            "suite": "gymnasium",
            "env": env,
            "gymnasium": gymnasium.__version__,
            **({"joints": self.spec.joints} if self.spec.joints else {"num_actions": self.spec.num_actions}),
            "time_limit": limit if limit is not None else "none",
            **shown,
        }
        self._over: NDArray[np.bool_] | None = None

    def reset(self, seed: int) -> TimeStep:
        """Begin an episode in every env, env e seeded with `seed + e`; see `BatchedEnv.reset`."""
        observation: NDArray[Any]
        observation, _ = self._envs.reset(seed=checked_seed(seed, self.num_envs))
        none = np.zeros(self.num_envs, np.bool_)
        return self._observe(observation, np.zeros(self.num_envs), none, none, ~none)

    def step(self, action: NDArray[Any]) -> TimeStep:
        """Act in every env; see `BatchedEnv.step`."""
        own = self._own(action)
        if self._over is None:
            raise RuntimeError("the environment was never reset: call reset(seed) before step(action)")
        outcome: tuple[NDArray[Any], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], Any]
        outcome = self._envs.step(own)
        return self._observe(*outcome[:4], self._over)

    def _own(self, action: NDArray[Any]) -> NDArray[Any]:
        """Return the actions for Gymnasium's env: counted from its first action, or scaled to its bounds."""
        if self.spec.joints:
            share = (checked_torques(action, self.num_envs, self.spec.joints).astype(np.float64) + 1.0) / 2.0
            low, high = self._actions.low, self._actions.high
            own: NDArray[Any] = np.clip(low + share * (high - low), low, high).astype(self._actions.dtype)
            return own
        return checked_action(action, self.num_envs, self.spec.num_actions) + int(self._actions.start)

    def _observe(
        self,
        observation: NDArray[Any],
        reward: NDArray[np.float64],
        terminated: NDArray[np.bool_],
        truncated: NDArray[np.bool_],
        first: NDArray[np.bool_],
    ) -> TimeStep:
        frame = self._images(observation) if self._images else observation - self._state_offset
        self._over = terminated | truncated
        return TimeStep(
            frame=frame.astype(self.spec.frame_dtype).reshape(self.num_envs, *self.spec.frame_shape),
            reward=np.where(first, 0, reward).astype(np.float32),
            first=first,
            terminated=terminated.copy(),
            truncated=truncated & ~terminated,
            life_lost=np.zeros(self.num_envs, np.bool_),
            frames=np.where(first, 0, 1).astype(np.int64),
        )

    def render(self) -> NDArray[np.uint8]:
        """Return a picture of env 0: uint8 [H, W, 3], RGB. MuJoCo bodies are drawn by `envs.gait`, not by MuJoCo.

        Raises:
            ValueError: the env has no render mode rgb_array, or rendering fails on this machine.
        """
        if not self._draws:
            raise ValueError(f"{self._env_name} draws no pictures: it has no render mode rgb_array")
        if is_mujoco(bare := self._envs.envs[0].unwrapped):
            return side_view(bare)
        for device in ("SDL_VIDEODRIVER", "SDL_AUDIODRIVER"):  # pygame without display or sound
            os.environ.setdefault(device, "dummy")
        try:
            picture: Any = self._envs.envs[0].render()
            return np.asarray(picture, np.uint8)
        except Exception as error:  # of any type: a missing package, or a renderer's own without a display
            raise ValueError(f"{self._env_name} cannot draw: {first_line(error)}") from error

    def close(self) -> None:
        """Free the envs."""
        self._envs.close()


def _actions_of(env: str, actions: Any) -> Discrete[np.int64] | Box:
    """Return `EnvSpec.actions` for an env with the action space `actions`."""
    if isinstance(actions, Box) and len(actions.shape) == 1 and actions.is_bounded():
        return Box(-1.0, 1.0, actions.shape, np.float32)
    if not isinstance(actions, Discrete):
        raise ValueError(f"{env} takes {actions}: choose an environment with numbered actions, or bounded ones [J]")
    num_actions = int(actions.n)
    if num_actions > MAX_ACTIONS:
        raise ValueError(f"{env} has {num_actions} actions: choose an environment with at most {MAX_ACTIONS}")
    return Discrete(num_actions)


def _frame_type(env: str, observations: Space[Any]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and dtype of the frames of an env with the observation space `observations`."""
    if isinstance(observations, Discrete):
        return (1,), np.dtype(np.int64)
    if isinstance(observations, Box) and len(observations.shape) == 1:
        return observations.shape, np.dtype(np.float32)
    raise ValueError(
        f"{env} observes {observations}: choose an environment that shows a vector, a uint8 image "
        "[H, W] or [H, W, C], or a numbered state"
    )

"""The emulator's native vector env as a stable-baselines3 `VecEnv`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ale_py.vector_env import AtariVectorEnv
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn


class NativeAtari(VecEnv):
    """`num_envs` copies of `game`, four frames per step, observations [num_envs, 4, 84, 84] uint8.

    Resets in the step that ends an episode, as SB3 expects, and returns the last observation in `infos`.
    """

    def __init__(self, game: str, num_envs: int) -> None:
        self.envs = AtariVectorEnv(game, num_envs, autoreset_mode=AutoresetMode.SAME_STEP)
        super().__init__(num_envs, self.envs.single_observation_space, self.envs.single_action_space)

    def reset(self) -> VecEnvObs:
        observations: np.ndarray = self.envs.reset()[0]
        return observations

    def step_async(self, actions: np.ndarray) -> None:
        self.envs.send(actions.astype(np.int32))

    def step_wait(self) -> VecEnvStepReturn:
        observations, rewards, terminated, truncated, info = self.envs.recv()
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for env in np.flatnonzero(terminated | truncated):
            infos[env]["terminal_observation"] = info["final_obs"][env]
            infos[env]["TimeLimit.truncated"] = bool(truncated[env] and not terminated[env])
        return observations, rewards.astype(np.float32), terminated | truncated, infos

    def close(self) -> None:
        """Do nothing: the emulators are freed with the object."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return None for each env: SB3 reads only `render_mode`, and there is none."""
        return [None] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        raise NotImplementedError("the emulators of the native vector env have no attributes")

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        raise NotImplementedError("the emulators of the native vector env have no methods")

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        return [False] * self.num_envs

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        return [seed] * self.num_envs

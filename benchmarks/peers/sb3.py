"""Agent steps per second of stable-baselines3's DQN on Pong from pixels.

By default runs SB3's loop, replay buffer and optimiser with what its documented extension points allow:
a `VecEnv` over the emulator's native vector env, and a features extractor in bfloat16. `--stock` uses SB3's own
Atari wrappers and float32, `--defaults` also the default settings of `DQN`.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import ale_py
import gymnasium
import stable_baselines3
import torch
from stable_baselines3 import DQN
from stable_baselines3.common.atari_wrappers import AtariWrapper
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv, VecFrameStack, VecTransposeImage
from torch import nn

from benchmarks.peers.common import Reading, Request, parse, report, set_environment, steps_between_updates
from benchmarks.peers.sb3_env import NativeAtari
from training.device import resolve_precision

WARM_UPDATES = 20  # updates before timing starts, since the first ones include set-up


BFLOAT16 = resolve_precision("auto", "cpu") == "bf16"  # the faster precision on this CPU, as for our own learner


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings that were tuned; the defaults are the fastest found on two cores."""

    env: Literal["native", "subprocess", "dummy"] = "native"
    num_envs: int = 16
    batch_size: int = 256
    torch_threads: int = 2
    bfloat16: bool = BFLOAT16
    fused_adam: bool = True
    keep_memory: bool = True
    passive_wait: bool = True
    learning_starts: int = 3_000
    buffer_size: int = 100_000
    epsilon: float = 0.05  # SB3's final value from the start, so that most actions need the network


STOCK = Settings(env="subprocess", bfloat16=False)
# SB3's defaults except for the buffer of a million stacked observations, which would need 56 GB.
DEFAULTS = Settings(
    env="dummy",
    num_envs=1,
    batch_size=32,
    torch_threads=torch.get_num_threads(),
    bfloat16=False,
    fused_adam=False,
    keep_memory=False,
    passive_wait=False,
    learning_starts=100,
)


class Network2013(BaseFeaturesExtractor):
    """The layers of Mnih et al. 2013 below the output: [B, 4, 84, 84] in 0..255 to [B, 256]."""

    def __init__(self, observation_space: gymnasium.spaces.Box, bfloat16: bool) -> None:
        super().__init__(observation_space, features_dim=256)
        self.use_bfloat16 = bfloat16
        self.layers = nn.Sequential(
            nn.Conv2d(4, 16, 8, 4), nn.ReLU(), nn.Conv2d(16, 32, 4, 2), nn.ReLU(), nn.Flatten(),
            nn.Linear(2592, 256), nn.ReLU(),
        )  # fmt: skip

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        if not self.use_bfloat16:
            features: torch.Tensor = self.layers(observations / 255)
            return features
        with torch.autocast("cpu", torch.bfloat16):
            features = self.layers(observations.bfloat16() / 255)
        return features.float()


class Stopwatch(BaseCallback):
    """Reads SB3's counters between updates and the next rollout, and stops training after `seconds` of them."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self.readings: list[Reading] = []
        self.finished = False

    def _on_rollout_start(self) -> None:
        assert isinstance(self.model, DQN)
        if self.model._n_updates < WARM_UPDATES:
            return
        now = Reading(self.model.num_timesteps, self.model._n_updates * self.model.batch_size)
        if not self.readings:
            self.readings.append(now)
        elif now.at - self.readings[0].at >= self.seconds:
            self.readings.append(now)
            self.finished = True

    def _on_step(self) -> bool:
        return not self.finished


def make_env(settings: Settings) -> VecEnv:
    """Create Pong, four frames per step and stacked, channels first: [num_envs, 4, 84, 84] uint8."""
    if settings.env == "native":
        return NativeAtari("pong", settings.num_envs)
    gymnasium.register_envs(ale_py)
    envs = make_vec_env(
        "ALE/Pong-v5",
        settings.num_envs,
        env_kwargs={"frameskip": 1, "repeat_action_probability": 0.0},
        wrapper_class=AtariWrapper,
        vec_env_cls=SubprocVecEnv if settings.env == "subprocess" else DummyVecEnv,
    )
    # Channels first before stacking, or SB3 would transpose the whole stack at every step.
    return VecFrameStack(VecTransposeImage(envs), 4, channels_order="first")


def make_model(settings: Settings, samples_per_step: float) -> DQN:
    """Create SB3's DQN with the update period that gives these samples per step."""
    policy: dict[str, Any] = {
        "features_extractor_class": Network2013,
        "features_extractor_kwargs": {"bfloat16": settings.bfloat16},
        "net_arch": [],
        "normalize_images": False,  # the network divides by 255 in its own precision
    }
    if settings.fused_adam:
        policy["optimizer_kwargs"] = {"fused": True}
    return DQN(
        "CnnPolicy",
        make_env(settings),
        buffer_size=settings.buffer_size,
        learning_starts=settings.learning_starts,
        batch_size=settings.batch_size,
        train_freq=steps_between_updates(samples_per_step, settings.batch_size, settings.num_envs),
        exploration_initial_eps=settings.epsilon,
        exploration_final_eps=settings.epsilon,
        policy_kwargs=policy,
        device="cpu",
    )


def main(request: Request) -> None:
    """Train for `request.seconds` after warm-up, and print the result."""
    base = DEFAULTS if request.defaults else STOCK if request.stock else Settings()
    settings: Settings = request.apply(base)
    set_environment(keep_memory=settings.keep_memory, passive_wait=settings.passive_wait)
    torch.set_num_threads(settings.torch_threads)
    model = make_model(settings, request.samples_per_step)
    stopwatch = Stopwatch(request.seconds)
    try:
        model.learn(total_timesteps=10**9, callback=stopwatch, log_interval=10**9)
    finally:
        model.get_env().close()  # type: ignore[union-attr]
    start, end = stopwatch.readings
    report("stable-baselines3", stable_baselines3.__version__, settings, request.samples_per_step, start, end)


if __name__ == "__main__":
    main(parse(__doc__))

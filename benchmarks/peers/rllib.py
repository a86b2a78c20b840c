"""Agent steps per second of RLlib's own DQN (new API stack) on Pong from pixels.

By default runs RLlib's loop, episode buffer, connectors and learner with what its documented extension points
allow: the emulator's native vector env as a vector entry point, and an `RLModule` that trains in bfloat16.
`--stock` uses RLlib's own Atari wrappers and float32, `--defaults` also the default settings of `DQNConfig`.
"""

from __future__ import annotations

import dataclasses
import os
from typing import Any, Literal

import ray
import torch
from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.algorithms.dqn import DQNConfig
from ray.rllib.algorithms.dqn.torch.default_dqn_torch_rl_module import DefaultDQNTorchRLModule
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from ray.tune.registry import register_env

from benchmarks.peers.common import Reading, Request, parse, report, set_environment
from benchmarks.peers.rllib_env import make_native, make_wrapped
from training.device import resolve_precision

WARM_UPDATES = 8  # updates before timing starts, since the first ones include set-up


BFLOAT16 = resolve_precision("auto", "cpu") == "bf16"  # the faster precision on this CPU, as for our own learner


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings that were tuned; the defaults are the fastest found on two cores."""

    env: Literal["native", "sync", "async"] = "native"
    num_env_runners: int = 0
    num_envs_per_env_runner: int = 16
    rollout_fragment_length: int | Literal["auto"] = 16
    batch_size: int = 256
    torch_threads: int = 2
    bfloat16: bool = BFLOAT16
    episodes_to_numpy: bool = False  # True copies the whole episode whenever it grows
    keep_memory: bool = True
    passive_wait: bool = True
    prioritized_double_dueling: bool = False
    learning_starts: int = 1_500
    buffer_size: int = 100_000
    epsilon: float = 0.05  # RLlib's final value, from the start


STOCK = Settings(env="sync", bfloat16=False)
# RLlib's defaults except for the number of envs: its single env would train 32 samples per step.
DEFAULTS = Settings(
    env="sync",
    num_envs_per_env_runner=4,
    rollout_fragment_length="auto",
    batch_size=32,
    torch_threads=torch.get_num_threads(),
    bfloat16=False,
    episodes_to_numpy=True,
    keep_memory=False,
    passive_wait=False,
    prioritized_double_dueling=True,
    learning_starts=1_000,
    buffer_size=50_000,
)


class Bfloat16Module(DefaultDQNTorchRLModule):  # type: ignore[misc]  # untyped in RLlib
    """RLlib's DQN network with the training pass in bfloat16; the loss stays in float32."""

    def _forward_train(self, batch: dict[str, Any]) -> dict[str, Any]:
        with torch.autocast("cpu", torch.bfloat16):
            outputs = super()._forward_train(batch)
        return {name: q.float() for name, q in outputs.items()}


def make_config(settings: Settings, samples_per_step: float) -> DQNConfig:
    """Configure RLlib's DQN with the network of Mnih et al. 2013 and these samples per step."""
    register_env("peer-pong", make_native if settings.env == "native" else make_wrapped)
    network = DefaultModelConfig(conv_filters=[(16, 8, 4, "valid"), (32, 4, 2, "valid")], head_fcnet_hiddens=[256])
    module = {"rl_module_spec": RLModuleSpec(module_class=Bfloat16Module)} if settings.bfloat16 else {}
    config = (
        DQNConfig()
        .environment("peer-pong")
        .env_runners(
            num_env_runners=settings.num_env_runners,
            num_envs_per_env_runner=settings.num_envs_per_env_runner,
            rollout_fragment_length=settings.rollout_fragment_length,
            gym_env_vectorize_mode="vector_entry_point" if settings.env == "native" else settings.env,
            episodes_to_numpy=settings.episodes_to_numpy,
        )
        .rl_module(model_config=network, **module)
        .training(
            train_batch_size_per_learner=settings.batch_size,
            num_steps_sampled_before_learning_starts=settings.learning_starts,
            epsilon=settings.epsilon,
        )
        # Short iterations, since counters and clock are read between them.
        .reporting(min_sample_timesteps_per_iteration=1, min_time_s_per_iteration=1)
    )
    if settings.prioritized_double_dueling:
        return config.training(replay_buffer_config={"capacity": settings.buffer_size})
    return config.training(
        double_q=False,
        dueling=False,
        target_network_update_freq=10_000,
        replay_buffer_config={"type": "EpisodeReplayBuffer", "capacity": settings.buffer_size},
        training_intensity=training_intensity(settings, samples_per_step),
    )


def training_intensity(settings: Settings, samples_per_step: float) -> float:
    """Return RLlib's setting for this ratio; ValueError if RLlib would round it."""
    assert settings.rollout_fragment_length != "auto"
    samplers = max(settings.num_env_runners, 1)
    steps = settings.rollout_fragment_length * settings.num_envs_per_env_runner * samplers
    updates = samples_per_step * steps / settings.batch_size
    if updates != round(updates) or updates < 1:
        raise ValueError(
            f"{samples_per_step:g} samples for each of {steps} steps are {updates:g} updates of "
            f"{settings.batch_size}: choose rollout_fragment_length so that it is a whole number"
        )
    # RLlib also counts the driver's own runner, even if it does not sample.
    return samples_per_step * samplers / (settings.num_env_runners + 1)


def train(algorithm: Algorithm) -> Reading:
    """Run one iteration; return RLlib's lifetime counters of steps and trained samples."""
    result = algorithm.train()
    learner = result.get("learners", {}).get("default_policy", {})
    return Reading(
        int(result["env_runners"]["num_env_steps_sampled_lifetime"]),
        int(learner.get("num_module_steps_trained_lifetime", 0)),
    )


def main(request: Request) -> None:
    """Train for `request.seconds` after warm-up, and print the result."""
    base = DEFAULTS if request.defaults else STOCK if request.stock else Settings()
    settings: Settings = request.apply(base)
    set_environment(keep_memory=settings.keep_memory, passive_wait=settings.passive_wait)
    cores = len(os.sched_getaffinity(0))
    ray.init(num_cpus=cores, include_dashboard=False, log_to_driver=False, object_store_memory=2**30)
    algorithm = make_config(settings, request.samples_per_step).build_algo()
    try:
        torch.set_num_threads(settings.torch_threads)
        start = train(algorithm)
        while start.trained_samples < WARM_UPDATES * settings.batch_size:
            start = train(algorithm)
        end = train(algorithm)
        while end.at - start.at < request.seconds:
            end = train(algorithm)
    finally:
        algorithm.stop()
        ray.shutdown()
    report("RLlib DQN", ray.__version__, settings, request.samples_per_step, start, end)


if __name__ == "__main__":
    os.environ.update(RAY_AUTH_MODE="disabled", RAY_USAGE_STATS_ENABLED="0")
    main(parse(__doc__))

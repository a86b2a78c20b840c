"""RLlib's way to write our settings: `QuarterdeckConfig().environment(...).env_runners(...).training(...)`."""

from __future__ import annotations

import dataclasses
from typing import Any

from ray.rllib.algorithms.algorithm_config import AlgorithmConfig, NotProvided
from ray.rllib.core.rl_module.rl_module import RLModuleSpec

from agents.config import Settings, from_dict
from agents.presets import pong
from cluster import roles
from cluster.learners import QModule, QuarterdeckLearner
from cluster.runner import Runner


class QuarterdeckConfig(AlgorithmConfig):
    """`Settings` with RLlib's face.

    RLlib's own fields (env, lr, gamma, train_batch_size_per_learner, num_env_runners, num_envs_per_env_runner,
    rollout_fragment_length, seed) are the ones that count where they exist, so that `tune.Tuner` can search them;
    everything else stands in `settings`.
    """

    def __init__(self, algo_class: type | None = None) -> None:
        from cluster.algorithm import Quarterdeck

        super().__init__(algo_class or Quarterdeck)
        self.env_runner_cls = Runner
        self.from_settings(pong())
        self.min_time_s_per_iteration = 1
        self.log_level = "ERROR"
        self.max_requests_in_flight_per_env_runner = 2
        # A dead runner is replaced at once, and one that cannot be placed holds nobody up.
        self.restart_failed_env_runners = True
        self.delay_between_env_runner_restarts_s = 1.0
        self.env_runner_health_probe_timeout_s = 0.5
        self.env_runner_restore_timeout_s = 10.0
        # Runners may come up later than the run, or never: the local one answers for them.
        self.validate_env_runners_after_construction = False
        self.create_env_on_local_worker = True
        # Runners pull weights; nothing of theirs is merged or broadcast.
        self._dont_auto_sync_env_runner_states = True
        self.merge_env_runner_states = False
        self.broadcast_env_runner_states = False

    def from_settings(self, settings: Settings) -> QuarterdeckConfig:
        """Take over a whole tree of settings."""
        self.settings = settings
        self.env = settings.world.env
        self.seed = settings.seed
        self.lr, self.gamma = settings.learner.learning_rate, settings.learner.gamma
        self._train_batch_size_per_learner = settings.learner.batch_size
        self.num_env_runners = settings.fleet.runners
        self.num_envs_per_env_runner = settings.fleet.envs_per_runner
        self.rollout_fragment_length = settings.fleet.chunk_steps
        self.num_learners = settings.fleet.learners
        on_gpu = settings.fleet.learners > 0 and settings.learner.device.startswith("cuda")
        self.num_gpus_per_learner = int(on_gpu)
        self.custom_resources_per_env_runner = roles.unit(settings, roles.RUNNER, 1 - roles.EVALUATOR_PART)
        self.custom_resources_per_learner = roles.unit(settings, roles.LEARNER)
        return self

    def to_settings(self) -> Settings:
        """The settings that this config stands for.

        Raises:
            ValueError: a value is impossible.
        """
        s: Settings = self.settings
        return dataclasses.replace(
            s,
            world=dataclasses.replace(s.world, env=str(self.env).removeprefix("ale_py:")),
            seed=self.seed or 0,
            learner=dataclasses.replace(
                s.learner,
                learning_rate=self.lr,
                gamma=self.gamma,
                batch_size=self.train_batch_size_per_learner,
            ),
            # RLlib derives a config for evaluation runners, with other runners and fragments: not ours to follow.
            fleet=s.fleet
            if self.in_evaluation
            else dataclasses.replace(
                s.fleet,
                runners=max(self.num_env_runners, 1),
                envs_per_runner=self.num_envs_per_env_runner,
                chunk_steps=self.rollout_fragment_length,
                learners=self.num_learners,
            ),
        )

    def update_from_dict(self, config_dict: dict[str, Any]) -> QuarterdeckConfig:
        """RLlib's, where `settings` may also be a tree of plain values (`agents.config.to_dict`)."""
        changes = dict(config_dict)
        if isinstance(changes.get("settings"), dict):
            self.from_settings(from_dict(Settings, changes.pop("settings")))
        super().update_from_dict(changes)
        return self

    def training(self, *, settings: dict[str, dict[str, Any]] = NotProvided, **kwargs: Any) -> QuarterdeckConfig:
        """RLlib's arguments, and `settings`: changes by section, as in {"replay": {"n_step": 5}}.

        Raises:
            ValueError: a section, a name in it or a value is impossible.
        """
        super().training(**kwargs)
        if settings is not NotProvided:
            for section, changes in settings.items():
                try:
                    changed = dataclasses.replace(getattr(self.settings, section), **changes)
                except (AttributeError, TypeError) as error:
                    raise ValueError(f"no such setting in {section!r}: {error}") from None
                self.settings = dataclasses.replace(self.settings, **{section: changed})
        return self

    def get_default_rl_module_spec(self) -> RLModuleSpec:
        """The Q-network of the settings."""
        return RLModuleSpec(module_class=QModule, model_config={"settings": self.to_settings()})

    def get_default_learner_class(self) -> type[QuarterdeckLearner]:
        """The shell around `agents.learner`."""
        return QuarterdeckLearner

    def validate(self) -> None:
        """RLlib's checks, and ours before anything starts."""
        super().validate()
        self.to_settings().rows_per_lane()

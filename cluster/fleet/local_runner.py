"""The local env runner that RLlib requires in the driver."""

from __future__ import annotations

from typing import Any

from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.env import INPUT_ENV_SINGLE_SPACES, INPUT_ENV_SPACES
from ray.rllib.env.env_runner import EnvRunner
from ray.rllib.utils.checkpoints import Checkpointable

from agents.dqn.settings import Settings
from agents.parts import parts_of
from cluster.fleet.runner import Runner
from cluster.rllib.spaces import spaces_of


class LocalRunner(EnvRunner, Checkpointable):
    """Provides the env's spaces without a runner actor, and plays itself if the fleet has no actors."""

    def __init__(self, *, config: Any, **kwargs: Any) -> None:
        super().__init__(config=config, **kwargs)
        self.settings: Settings = config.to_settings()
        self.runner: Runner | None = None
        env = parts_of(self.settings).make_env(self.settings, 1, 1)  # registered by `user_envs.check`
        env.close()
        self.spec = env.spec

    def get_spaces(self) -> dict[str, Any]:
        """Return single-env spaces under RLlib's keys."""
        pair = spaces_of(self.spec)
        return {INPUT_ENV_SPACES: pair, INPUT_ENV_SINGLE_SPACES: pair, DEFAULT_MODULE_ID: pair}

    def sample(self, **request: Any) -> dict[str, Any]:
        """See `Runner.sample`."""
        if self.runner is None:
            self.runner = self.config.runner_cls(self.settings, 0)
        return self.runner.sample(**request)

    @property
    def module(self) -> Any:
        """Unsupported.

        Raises:
            AttributeError: always; the message names the alternative.
        """
        raise AttributeError("a runner has no RLModule: ask algo.get_module()")

    def forget_weights(self) -> None:
        """See `Runner.forget_weights`."""
        if self.runner is not None:
            self.runner.forget_weights()

    def assert_healthy(self) -> None:
        """Pass RLlib's health check."""

    def get_metrics(self) -> dict[str, Any]:
        """Return no metrics: statistics come with every chunk."""
        return {}

    def get_state(self, components: Any = None, *, not_components: Any = None, **kwargs: Any) -> dict[str, Any]:
        """Return no state: weights are pulled, and episodes cannot be saved."""
        return {}

    def set_state(self, state: Any) -> None:
        """See `get_state`."""

    def get_ctor_args_and_kwargs(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """For RLlib's Checkpointable."""
        return (), {"config": self.config}

    def stop(self) -> None:
        """Close the env."""
        if self.runner is not None:
            self.runner.stop()

"""What RLlib finds in the driver in place of its own runners."""

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
    """The driver's. It knows the env's spaces, so that nobody need wait for a runner, and plays if it is asked to."""

    def __init__(self, *, config: Any, **kwargs: Any) -> None:
        super().__init__(config=config, **kwargs)
        self.settings: Settings = config.to_settings()
        self.runner: Runner | None = None
        env = parts_of(self.settings).make_env(self.settings, 1, 1)  # `user_envs.check` has announced it
        env.close()
        self.spec = env.spec

    def get_spaces(self) -> dict[str, Any]:
        """Single-env spaces under the keys that RLlib asks for."""
        pair = spaces_of(self.spec)
        return {INPUT_ENV_SPACES: pair, INPUT_ENV_SINGLE_SPACES: pair, DEFAULT_MODULE_ID: pair}

    def sample(self, **request: Any) -> dict[str, Any]:
        """See `Runner.sample`."""
        if self.runner is None:
            self.runner = self.config.runner_cls(self.settings, 0)
        return self.runner.sample(**request)

    @property
    def module(self) -> Any:
        """Not served.

        Raises:
            AttributeError: always; the line says what is.
        """
        raise AttributeError("a runner has no RLModule: ask algo.get_module()")

    def forget_weights(self) -> None:
        """See `Runner.forget_weights`."""
        if self.runner is not None:
            self.runner.forget_weights()

    def assert_healthy(self) -> None:
        """RLlib's probe."""

    def get_metrics(self) -> dict[str, Any]:
        """Nothing of its own: every chunk brings its stats along."""
        return {}

    def get_state(self, components: Any = None, *, not_components: Any = None, **kwargs: Any) -> dict[str, Any]:
        """A runner has no state worth keeping: weights are pulled, episodes cannot be saved."""
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

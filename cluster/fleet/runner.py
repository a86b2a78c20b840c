"""A runner: the actor shell around `agents.acting.rollout`, with the face that RLlib's runner groups want."""

from __future__ import annotations

from typing import Any

import ray
import torch
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.env import INPUT_ENV_SINGLE_SPACES, INPUT_ENV_SPACES
from ray.rllib.env.env_runner import EnvRunner
from ray.rllib.utils.checkpoints import Checkpointable

from agents.acting.priorities import actor_priorities
from agents.acting.rollout import ChunkStats, Rollout
from agents.dqn.settings import Settings
from agents.parts import parts_of
from agents.replay.transitions import Chunk
from cluster.errors import portable
from cluster.fleet.compression import pack
from cluster.rllib.spaces import spaces_of
from cluster.rllib.user_envs import announce
from training.process import prepare_process

PULL_TIMEOUT = 10.0  # seconds a runner waits for newer weights before it goes on with its own


class Runner(EnvRunner, Checkpointable):
    """Plays `fleet.envs_per_runner` lanes and hands over chunks by reference.

    Runner `worker_index` (from 1) owns the lanes that follow those of the runners before it. The local runner of a
    fleet with remote ones (index 0) only answers questions about spaces, so that nobody need wait for a remote one.
    """

    def __init__(self, *, config: Any, **kwargs: Any) -> None:
        super().__init__(config=config, **kwargs)
        self.settings: Settings = config.to_settings()
        self.version = -1
        self.rollout: Rollout | None = None
        self.failure: Exception | None = None  # of the env, which is in no known state since
        self.plays = self.worker_index > 0 or config.num_env_runners == 0
        self.make_env()
        if self.plays:
            self.make_module()

    def make_env(self) -> None:
        """Build the env of this runner's lanes."""
        prepare_process()
        announce(self.config, self.worker_index)
        fleet = self.settings.fleet
        lanes = fleet.envs_per_runner if self.plays else 1
        self.env = parts_of(self.settings).make_env(self.settings, lanes, fleet.env_threads)

    def make_module(self) -> None:
        """Build the policy; its weights come from the weight store."""
        if self.worker_index:
            torch.set_num_threads(1)
        self.policy = parts_of(self.settings).make_policy(self.settings, self.env.spec)

    def get_spaces(self) -> dict[str, Any]:
        """Single-env spaces under the keys that RLlib asks for."""
        pair = spaces_of(self.env.spec)
        return {INPUT_ENV_SPACES: pair, INPUT_ENV_SINGLE_SPACES: pair, DEFAULT_MODULE_ID: pair}

    def sample(self, *, weight_store: Any, agent_steps: int, homes: list[str], **_: Any) -> dict[str, Any]:
        """Play one chunk with the newest weights.

        Args:
            weight_store: the `WeightStore` actor.
            agent_steps: steps of the whole fleet so far: epsilon's clock.
            homes: nodes of the replay shards; this runner's chunks go to the one of its number.

        Returns:
            `chunk`: a reference to a `Chunk`, packed where it leaves this node; `sent`: what that took;
            `chunk_stats`: what it added to the run; `runner`: from 0; `version`: of the weights that acted.
            Without `chunk`: `error`, what the env raised; or nothing, where there are no weights to play with yet.
        """
        if self.failure is not None:
            raise self.failure  # RLlib then ends this process and Ray starts another: a new env
        if not self._pull(weight_store):
            return {}
        version, runner = max(self.version, 0), max(self.worker_index - 1, 0)
        try:
            chunk, chunk_stats = self._play(agent_steps, version)
        except Exception as error:
            self.failure = error
            return {"error": portable(error)}
        message, sent = pack(chunk, far=homes[runner % len(homes)] != ray.get_runtime_context().get_node_id())
        return {
            "chunk": ray.put(message),
            "sent": sent,
            "chunk_stats": chunk_stats,
            "runner": runner,
            "version": version,
        }

    def _play(self, agent_steps: int, version: int) -> tuple[Chunk, ChunkStats]:
        s = self.settings
        if self.rollout is None:
            self.rollout = Rollout(
                self.env,
                self.policy,
                s.exploration,
                seed=s.seed,
                lane=max(self.worker_index - 1, 0) * s.fleet.envs_per_runner,
                num_lanes=s.fleet.lanes,
                era=agent_steps,  # a runner that comes back later does not repeat the games of its first life
                priorities=actor_priorities(s, s.fleet.envs_per_runner),
            )
        return self.rollout.collect(s.fleet.chunk_steps, agent_steps, version)

    def _pull(self, weight_store: Any) -> bool:
        """Take over the newest weights; whether there are any, be it those of an earlier pull."""
        try:
            newer = ray.get(weight_store.other_than.remote(self.version), timeout=PULL_TIMEOUT)
            weights = ray.get(newer.ref[0], timeout=PULL_TIMEOUT) if newer is not None else None
        except (ray.exceptions.GetTimeoutError, ray.exceptions.RayActorError, ray.exceptions.ObjectLostError):
            weights = None
        if weights is not None:
            self.policy.load(weights)
            self.version = newer.version
        return self.version >= 0

    @property
    def module(self) -> Any:
        """Not served.

        Raises:
            AttributeError: always; the line says what is.
        """
        raise AttributeError("a runner has no RLModule: ask algo.get_module()")

    def forget_weights(self) -> None:
        """Pull at the next chunk, whatever the version."""
        self.version = -1

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
        self.env.close()

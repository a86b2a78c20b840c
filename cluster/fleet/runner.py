"""The runner: an actor around `agents.acting.rollout`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import ray
import torch

from agents.acting.policy import LearningPolicy
from agents.acting.priorities import actor_priorities
from agents.acting.rollout import ChunkStats, Rollout
from agents.dqn.settings import Settings
from agents.parts import make_policy, parts_of
from agents.replay.transitions import Chunk
from cluster.errors import portable
from cluster.fleet.compression import pack
from cluster.fleet.managed import Managed
from cluster.lost import LOST
from training.process import keep_freed_memory

PULL_TIMEOUT = 10.0  # seconds to wait for newer weights before playing on with the current ones


class Runner(Managed):
    """Plays `fleet.envs_per_runner` lanes and returns chunks by reference.

    Args:
        number: from 1, or 0 for the only runner of a fleet without actors; lanes are numbered in this order.
        announce: called first, with `number`, to register an env that only the driver has registered.
    """

    def __init__(self, settings: Settings, number: int, announce: Callable[[int], None] | None = None) -> None:
        self.settings, self.number = settings, number
        self.version = -1
        self.rollout: Rollout | None = None
        self.failure: Exception | None = None  # of the env, whose state is undefined since then
        if announce is not None:
            announce(number)
        self.make_env()
        self.make_policy()

    def make_env(self) -> None:
        """Build the env of this runner's lanes."""
        keep_freed_memory()
        fleet = self.settings.fleet
        self.env = parts_of(self.settings).make_env(self.settings, fleet.envs_per_runner, fleet.env_threads)

    def make_policy(self) -> None:
        """Build the policy, without trained weights."""
        if self.number:
            torch.set_num_threads(1)
        self.policy: LearningPolicy = make_policy(self.settings, self.env.spec)

    def sample(self, *, weight_store: Any, agent_steps: int, homes: list[str], **_: Any) -> dict[str, Any]:
        """Play one chunk with the newest weights.

        Args:
            weight_store: the `WeightStore` actor.
            agent_steps: steps of the whole fleet so far, for the epsilon schedule.
            homes: node ids of the replay shards (or learners), assigned to runners in turn.

        Returns:
            `chunk`: a reference to a `Chunk`, compressed if it leaves this node; `sent`: statistics of the transfer;
            `chunk_stats`: statistics of the chunk; `runner`: from 0; `version`: of the weights that acted.
            Without `chunk`: `error`, an exception of the env; or nothing, if there are no weights yet.
        """
        if self.failure is not None:
            if self.number:
                sys.exit(1)  # Ray restarts the actor, with a new env
            raise self.failure
        if not self._pull(weight_store):
            return {}
        version, runner = max(self.version, 0), max(self.number - 1, 0)
        try:
            chunk, chunk_stats = self._play(agent_steps, version)
        except Exception as error:
            self.failure = error
            return {"error": portable(error)}
        message, sent = pack(chunk, far=homes[runner % len(homes)] != self.node_id())
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
                lane=max(self.number - 1, 0) * s.fleet.envs_per_runner,
                num_lanes=s.fleet.lanes,
                era=agent_steps,  # a restarted runner must not repeat its earlier games
                priorities=actor_priorities(s, s.fleet.envs_per_runner),
            )
        return self.rollout.collect(s.fleet.chunk_steps, agent_steps, version)

    def _pull(self, weight_store: Any) -> bool:
        """Load the newest weights; return whether the policy has any."""
        try:
            newer = ray.get(weight_store.other_than.remote(self.version), timeout=PULL_TIMEOUT)
            weights = ray.get(newer.ref[0], timeout=PULL_TIMEOUT) if newer is not None else None
        except (*LOST, ray.exceptions.GetTimeoutError, ray.exceptions.ObjectLostError):
            weights = None
        if weights is not None:
            self.policy.load(weights)
            self.version = newer.version
        return self.version >= 0

    def forget_weights(self) -> None:
        """Force a pull before the next chunk."""
        self.version = -1

    def stop(self) -> None:
        """Close the env."""
        self.env.close()

"""The runner of an on-policy fleet: plays a rollout per request, with the weights of the request."""

from __future__ import annotations

import sys
from typing import Any

import ray
import torch

from agents.acting.policy import LearningPolicy
from agents.acting.rollout import ChunkStats, Rollout
from agents.parts import make_policy
from agents.pqn.experience import Experience, collect, single_frames
from agents.pqn.settings import PqnSettings
from cluster.errors import portable
from cluster.fleet.compression import pack
from cluster.fleet.managed import Managed
from envs import make_env
from training.process import keep_freed_memory

WEIGHTS_TIMEOUT = 10.0  # seconds to wait for the weights


class OnPolicyRunner(Managed):
    """Runner `number` (from 1), which plays an equal share of the games."""

    def __init__(self, settings: PqnSettings, number: int) -> None:
        keep_freed_memory()
        torch.set_num_threads(1)
        self.settings, self.number = settings, number
        self.env = make_env(settings.env, settings.envs_per_runner, settings.learner.env_threads)
        self.policy: LearningPolicy = make_policy(settings, self.env.spec)
        self.rollout: Rollout | None = None
        self.failure: Exception | None = None  # of the env, whose state is undefined since then

    def sample(self, *, weights: list[Any], turn: int, agent_steps: int, home: str) -> dict[str, Any]:
        """Play `learner.steps` rows of every game.

        Args:
            weights: a reference to the parameters, in a list so that Ray does not wait for them forever.
            turn: returned with the answer.
            agent_steps: steps of the whole fleet so far, for the epsilon schedule.
            home: the learner's node.

        Returns:
            `chunk`: `SingleFrames`, compressed if they leave this node; `sent`: transfer statistics; `chunk_stats`;
            `runner`; `turn`. Without `chunk`: `error`, an exception of the env; or nothing, if no weights arrived.
        """
        if self.failure is not None:
            sys.exit(1)  # Ray restarts the actor, with a new env
        try:
            self.policy.load(ray.get(weights[0], timeout=WEIGHTS_TIMEOUT))
        except (ray.exceptions.GetTimeoutError, ray.exceptions.ObjectLostError):
            return {}
        try:
            seen, chunk_stats = self._play(agent_steps)
        except Exception as error:
            self.failure = error
            return {"error": portable(error)}
        chunk, sent = pack(single_frames(seen), far=home != self.node_id())
        return {"chunk": chunk, "sent": sent, "chunk_stats": chunk_stats, "runner": self.number, "turn": turn}

    def _play(self, agent_steps: int) -> tuple[Experience, ChunkStats]:
        s = self.settings
        if self.rollout is None:
            self.rollout = Rollout(
                self.env,
                self.policy,
                s.exploration,
                seed=s.seed,
                lane=(self.number - 1) * s.envs_per_runner,
                num_lanes=s.learner.num_envs,
                era=agent_steps,  # a restarted runner must not repeat its earlier games
            )
        return collect(self.rollout, s.network.stack, s.learner.steps, agent_steps)

    def stop(self) -> None:
        """Close the env."""
        self.env.close()

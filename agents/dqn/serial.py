"""The whole loop in one process, for debugging and for runs that are reproducible bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from agents.acting.exploration import greedy_epsilon
from agents.acting.policy import LearningPolicy
from agents.acting.priorities import actor_priorities
from agents.acting.rollout import Rollout
from agents.dqn.settings import Settings
from agents.parts import parts_of
from agents.replay.limiter import SamplesPerInsert
from agents.stats import RunStats
from envs import BatchedEnv, make_env
from training.settings import to_dict
from training.storage import checkpoint


class SerialLoop:
    """Training loop with one batch of envs, one replay shard and one learner; takes the settings of a fleet.

    Policy, learner and replay come from `settings.parts`, unless `make_replay` is given.
    """

    def __init__(
        self,
        settings: Settings,
        make_replay: Callable[..., Any] | None = None,
        env: BatchedEnv | None = None,
    ) -> None:
        s = self.settings = settings
        self.parts = parts_of(s)
        self.env = env if env is not None else make_env(s.env, s.fleet.lanes, s.fleet.env_threads)
        self.learner = self.parts.make_learner(s, self.env.spec)
        self.acting = self.parts.policy_with(self.learner.online, s, self.learner.device)
        whole = replace(s, fleet=replace(s.fleet, shards=0, learners=0))  # all lanes in one shard
        self.replay = (make_replay or self.parts.make_replay)(whole, self.env.spec, device=self.learner.device)
        judge = actor_priorities(s, s.fleet.lanes)
        self.rollout = Rollout(self.env, self.acting, s.exploration, seed=s.seed, priorities=judge)
        self.limiter = SamplesPerInsert(ratio=s.replay.samples_per_insert, learning_starts=s.replay.learning_starts)
        self.stats = RunStats()

    def step(self) -> None:
        """Collect a chunk, add it to replay, and do the updates that are due."""
        s = self.settings
        chunk, chunk_stats = self.rollout.collect(s.fleet.chunk_steps, self.stats.agent_steps, self.learner.updates)
        self.replay.add(chunk)
        self.limiter.inserted += chunk_stats.agent_steps
        due = self.limiter.updates_due(s.learner.batch_size)
        learned = self.learner.train(self.replay, due if self.replay.mass > 0 else 0)
        self.limiter.sampled += learned.updates * s.learner.batch_size
        self.stats.add_chunk(chunk_stats, greedy_epsilon(s.exploration, s.fleet.lanes))
        self.stats.add_updates(learned)

    def save(self, folder: Path, also: Callable[[Path], None] = lambda part: None) -> Path:
        """Write a checkpoint under `folder`; `also` adds files. Emulators cannot be saved, so episodes end here."""

        def write_parts(part: Path) -> None:
            checkpoint.save(part / "replay-0", self.replay.state())
            also(part)

        path = checkpoint.save_next(folder, self.stats.agent_steps, self.state(), write_parts)
        self.rollout.restart(self.stats.agent_steps)
        return path

    def state(self) -> dict[str, Any]:
        """Return the state of the run without replay, as a tree of arrays and values."""
        return {
            "settings": to_dict(self.settings),
            "stats": self.stats.state(),
            "limiter": self.limiter.state(),
            "learner": self.learner.state(),
            "rollout": {"rng": self.rollout.rng.bit_generator.state},
        }

    def load(self, path: Path) -> None:
        """Restore a checkpoint; in float32 on a CPU, the run continues bit for bit like the one that saved it."""
        state, replay = checkpoint.load(path), checkpoint.load(path / "replay-0")
        self.learner.load_state(state["learner"])
        self.replay.load_state(replay)
        self.rollout.rng.bit_generator.state = state["rollout"]["rng"]
        self.stats.load_state(state["stats"])
        self.limiter.load_state(state["limiter"])
        self.rollout.restart(self.stats.agent_steps)

    def policy(self) -> LearningPolicy:
        """Return the policy to evaluate."""
        return self.parts.policy_with(self.learner.policy, self.settings, self.learner.device)

    def close(self) -> None:
        """Free the env."""
        self.env.close()

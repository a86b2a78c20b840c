"""The whole loop in one process, without Ray: to read, to debug, and to reproduce bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agents.acting.exploration import greedy_epsilon
from agents.acting.policy import LearningPolicy
from agents.acting.rollout import Rollout
from agents.dqn.settings import Settings
from agents.dqn.stats import RunStats
from agents.parts import parts_of
from agents.replay.limiter import SamplesPerInsert
from agents.replay.shard import ReplayShard
from envs import make_env
from training.settings import to_dict
from training.storage import checkpoint


class SerialLoop:
    """One env, one replay shard, one learner, taking turns. The same settings as the fleet's, on one lane group."""

    def __init__(self, settings: Settings, shard: type[ReplayShard] = ReplayShard) -> None:
        s = self.settings = settings
        self.parts = parts_of(s)
        self.env = make_env(s.env, s.fleet.lanes, s.fleet.env_threads)
        self.learner = self.parts.make_learner(s, self.env.spec)
        self.acting = self.parts.act_by(self.learner.online, s, self.learner.device)
        self.replay = shard(
            s.replay,
            lanes=s.fleet.lanes,
            spec=self.env.spec,
            stack=s.network.stack,
            gamma=s.learner.gamma,
            seed=s.seed,
            device=self.learner.device,
        )
        self.rollout = Rollout(self.env, self.acting, s.exploration, seed=s.seed)
        self.limiter = SamplesPerInsert(ratio=s.replay.samples_per_insert, learning_starts=s.replay.learning_starts)
        self.stats = RunStats()

    def step(self) -> None:
        """One turn: collect a chunk, put it into replay, do the updates it earns."""
        s = self.settings
        chunk, chunk_stats = self.rollout.collect(s.fleet.chunk_steps, self.stats.agent_steps, self.learner.updates)
        self.replay.add(chunk)
        self.limiter.inserted += chunk_stats.agent_steps
        due = self.limiter.updates_due(s.learner.batch_size)
        learned = self.learner.train(self.replay, due if self.replay.mass > 0 else 0)
        self.limiter.sampled += learned.updates * s.learner.batch_size
        self.stats.collected(chunk_stats, greedy_epsilon(s.exploration, s.fleet.lanes))
        self.stats.learned(learned)

    def save(self, folder: Path) -> Path:
        """Checkpoint everything under `folder`. The emulator cannot be saved: running episodes end here."""
        path = checkpoint.save_next(
            folder,
            self.stats.agent_steps,
            self.state(),
            lambda part: checkpoint.save(part / "replay-0", self.replay.state()),
        )
        self.rollout.restart(self.stats.agent_steps)
        return path

    def state(self) -> dict[str, Any]:
        """The run, but for its replay, as a tree of arrays and values."""
        return {
            "settings": to_dict(self.settings),
            "stats": self.stats.state(),
            "limiter": self.limiter.state(),
            "learner": self.learner.state(),
            "rollout": {"rng": self.rollout.rng.bit_generator.state},
        }

    def load(self, path: Path) -> None:
        """Go on from a checkpoint as the run that saved it went on: bit for bit in float32 on a CPU."""
        state, replay = checkpoint.load(path), checkpoint.load(path / "replay-0")
        self.learner.load_state(state["learner"])
        self.replay.load_state(replay)
        self.rollout.rng.bit_generator.state = state["rollout"]["rng"]
        self.stats.load_state(state["stats"])
        self.limiter.load_state(state["limiter"])
        self.rollout.restart(self.stats.agent_steps)

    def policy(self) -> LearningPolicy:
        """The policy to judge."""
        return self.parts.act_by(self.learner.policy, self.settings, self.learner.device)

    def close(self) -> None:
        """Free the env."""
        self.env.close()

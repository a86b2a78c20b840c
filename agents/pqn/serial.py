"""PQN in one process, for debugging and for runs that are reproducible bit for bit."""

from __future__ import annotations

from pathlib import Path

import torch

from agents.acting.exploration import greedy_epsilon
from agents.acting.policy import QPolicy
from agents.acting.rollout import Rollout
from agents.pqn.experience import collect
from agents.pqn.parts import make_learner
from agents.pqn.settings import PqnSettings
from agents.stats import RunStats
from envs import make_env
from training.settings import to_dict
from training.storage import checkpoint


class SerialLoop:
    """Training loop that alternates between rollouts and updates."""

    def __init__(self, settings: PqnSettings) -> None:
        s = self.settings = settings
        torch.set_num_threads(s.learner.threads)
        self.env = make_env(s.env, s.learner.num_envs, s.learner.env_threads)
        self.learner = make_learner(s, self.env.spec)
        self.rollout = Rollout(self.env, self.learner.policy(), s.exploration, seed=s.seed)
        self.stats = RunStats()

    def step(self) -> None:
        """Collect a rollout in every env, and do all updates from it."""
        s = self.settings
        seen, chunk_stats = collect(self.rollout, s.network.stack, s.learner.steps, self.stats.agent_steps)
        self.stats.add_chunk(chunk_stats, greedy_epsilon(s.exploration, s.learner.num_envs))
        self.stats.add_updates(self.learner.learn(seen, min(self.stats.agent_steps / s.stop.steps, 1.0)))

    def save(self, folder: Path) -> Path:
        """Write a checkpoint under `folder`. Emulators cannot be saved, so running episodes end here."""
        state = {
            "settings": to_dict(self.settings),
            "stats": self.stats.state(),
            "learner": self.learner.state(),
            "rollout": {"rng": self.rollout.rng.bit_generator.state},
        }
        path = checkpoint.save_next(folder, self.stats.agent_steps, state)
        self.rollout.restart(self.stats.agent_steps)
        return path

    def load(self, path: Path) -> None:
        """Restore a checkpoint; in float32 on a CPU, the run continues bit for bit like the one that saved it."""
        state = checkpoint.load(path)
        self.learner.load_state(state["learner"])
        self.rollout.rng.bit_generator.state = state["rollout"]["rng"]
        self.stats.load_state(state["stats"])
        self.rollout.restart(self.stats.agent_steps)

    def policy(self) -> QPolicy:
        """Return the policy to evaluate."""
        return self.learner.policy()

    def close(self) -> None:
        """Free the envs."""
        self.env.close()

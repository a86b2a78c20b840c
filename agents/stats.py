"""What a run shows while it goes: counters, recent games, recent scalars."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.acting.rollout import ChunkStats, Episode
from agents.updates import UpdateStats
from training.storage import checkpoint

WINDOW = 30  # games a mean is taken over
BATCHES = 32  # newest looked-at batches a distribution is taken over
COUNTERS = ("agent_steps", "frames", "updates", "episodes", "seconds")
WINDOWS = ("recent", "greedy")


@dataclass
class RunStats:
    """Counters since the run began, and means since they were last read."""

    agent_steps: int = 0
    frames: int = 0
    updates: int = 0
    episodes: int = 0
    seconds: float = 0.0  # of wall clock up to the last checkpoint
    recent: deque[Episode] = field(default_factory=lambda: deque(maxlen=WINDOW))
    greedy: deque[Episode] = field(default_factory=lambda: deque(maxlen=WINDOW))
    means: dict[str, list[float]] = field(default_factory=dict)
    spread: dict[str, deque[NDArray[Any]]] = field(default_factory=dict)
    evaluations: list[tuple[int, dict[str, Any]]] = field(default_factory=list)  # (agent steps, summary), not yet read
    judged: float | None = None  # mean score of the newest of them

    def add_chunk(self, chunk_stats: ChunkStats, greedy_epsilon: float) -> None:
        """Count a chunk. Games of all lanes whose epsilon was at most `greedy_epsilon` by then also count as greedy."""
        self.agent_steps += chunk_stats.agent_steps
        self.frames += chunk_stats.frames
        self.episodes += len(chunk_stats.episodes)
        self.recent.extend(chunk_stats.episodes)
        self.greedy.extend(game for game in chunk_stats.episodes if game.epsilon <= greedy_epsilon)
        if chunk_stats.q_mean is not None:
            self.note("acting/q_max_mean", chunk_stats.q_mean)
        self.note("seconds_per_step/env", chunk_stats.env_seconds / max(chunk_stats.agent_steps, 1))
        self.note("seconds_per_step/policy", chunk_stats.policy_seconds / max(chunk_stats.agent_steps, 1))

    def add_updates(self, learned: UpdateStats) -> None:
        """Count updates; the policy lag is in learner updates."""
        if not learned.updates:
            return
        self.updates += learned.updates
        self.note_all({f"learner/{name}": value for name, value in learned.scalars.items()})
        self.note("seconds_per_update/sample", learned.sample_seconds / learned.updates)
        self.note("seconds_per_update/update", learned.update_seconds / learned.updates)
        if learned.version is not None:
            self.note("replay/age_in_updates", float(self.updates - learned.version.mean()))
            self._keep("replay_age_in_updates", self.updates - learned.version)
        for name, values in learned.distributions.items():
            self._keep(name, values)

    def add_evaluation(self, agent_steps: int, summary: dict[str, Any]) -> None:
        """Keep the result of an evaluation beside training; `agent_steps` is what its weights had seen."""
        self.evaluations.append((agent_steps, summary))
        self.judged = float(summary["mean"])

    def note(self, name: str, value: float) -> None:
        """Remember a scalar until the next `read`."""
        self.means.setdefault(name, []).append(value)

    def note_all(self, scalars: dict[str, float]) -> None:
        """Remember scalars by name until the next `read`."""
        for name, value in scalars.items():
            self.note(name, value)

    def _keep(self, name: str, values: NDArray[Any]) -> None:
        self.spread.setdefault(name, deque(maxlen=BATCHES)).append(values)

    def distributions(self) -> dict[str, NDArray[Any]]:
        """Single values [N] of the newest batches since the last call, for histograms."""
        found = {name: np.concatenate(batches) for name, batches in self.spread.items()}
        self.spread.clear()
        return found

    def score(self) -> float | None:
        """Mean raw score of the recent greedy games once there are enough of them to say something."""
        return fmean(game.score for game in self.greedy) if len(self.greedy) == WINDOW else None

    def reached(self, goal: float | None) -> bool:
        """Whether recent games, or those of the newest evaluation, are as good as a goal, if there is one."""
        return self.passed(goal) or _as_good(self.score(), goal)

    def passed(self, goal: float | None) -> bool:
        """Whether the newest evaluation was as good as a goal, if there is one."""
        return _as_good(self.judged, goal)

    def row(self, scalars: dict[str, float]) -> dict[str, Any]:
        """What `curve.csv` keeps of what `read` gave."""
        scores = {name: scalars.get(f"score_while_training/{name}") for name in ("all_lanes", "low_epsilon")}
        return {"frames": self.frames, "updates": self.updates, **scores}

    def line(self, scalars: dict[str, float]) -> str:
        """The newest score, of the lanes at low epsilon, else of all; and epsilon."""
        score = scalars.get(f"score_while_training/{'low_epsilon' if self.greedy else 'all_lanes'}")
        shown = "no game over yet" if score is None else f"score {score:.1f}"
        return f"{shown}  epsilon {scalars['acting/epsilon_mean']:.3f}"

    def read(self) -> dict[str, float]:
        """Every scalar, averaged since the last read, for TensorBoard; the names say what they are."""
        scalars = {name: fmean(values) for name, values in self.means.items()}
        self.means.clear()
        for name, games in (("all_lanes", self.recent), ("low_epsilon", self.greedy)):
            if games:
                scalars[f"score_while_training/{name}"] = fmean(game.score for game in games)
                scalars[f"episode_steps/{name}"] = fmean(game.steps for game in games)
        return scalars

    def state(self) -> dict[str, Any]:
        """Counters and recent games for a checkpoint."""
        windows = {name: [list(game) for game in getattr(self, name)] for name in WINDOWS}
        return {name: getattr(self, name) for name in COUNTERS} | windows

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over the counters of `state`, and its recent games: checkpoints until 0.1 have none."""
        for name in COUNTERS:
            setattr(self, name, state[name])
        self.judged = None
        for name in WINDOWS:
            window = getattr(self, name)
            window.clear()
            window.extend(Episode(*game) for game in state.get(name, ()))


def counters(saved: Path) -> dict[str, int]:
    """How far the policy in a checkpoint had been trained, in agent steps and in emulator frames."""
    stats = checkpoint.load(saved, only="stats")["stats"]
    return {name: int(stats[name]) for name in ("agent_steps", "frames")}


def _as_good(score: float | None, goal: float | None) -> bool:
    """Whether there are a score and a goal, and it is met."""
    return score is not None and goal is not None and score >= goal

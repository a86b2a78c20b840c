"""Statistics of a running training: counters, recent games, recent scalars."""

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

WINDOW = 30  # games of a moving mean
BATCHES = 32  # newest batches of a histogram
COUNTERS = ("agent_steps", "frames", "updates", "episodes", "seconds")
WINDOWS = ("recent", "greedy")


@dataclass
class RunStats:
    """Counters since the start of the run, and means since the last `read`."""

    agent_steps: int = 0
    frames: int = 0
    updates: int = 0
    episodes: int = 0
    seconds: float = 0.0  # wall-clock seconds up to the last checkpoint
    recent: deque[Episode] = field(default_factory=lambda: deque(maxlen=WINDOW))
    greedy: deque[Episode] = field(default_factory=lambda: deque(maxlen=WINDOW))
    means: dict[str, list[float]] = field(default_factory=dict)
    spread: dict[str, deque[NDArray[Any]]] = field(default_factory=dict)
    evaluations: list[tuple[int, dict[str, Any]]] = field(default_factory=list)  # (agent steps, summary), not yet read
    judged: float | None = None  # mean score of the newest evaluation

    def add_chunk(self, chunk_stats: ChunkStats, greedy_epsilon: float) -> None:
        """Add a chunk. Games that ended with an epsilon of at most `greedy_epsilon` also count as greedy."""
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
        """Add updates; ages are in learner updates."""
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
        """Add an evaluation during training; `agent_steps` are those of the evaluated weights."""
        self.evaluations.append((agent_steps, summary))
        self.judged = float(summary["mean"])

    def note(self, name: str, value: float) -> None:
        """Record a scalar for the next `read`."""
        self.means.setdefault(name, []).append(value)

    def note_all(self, scalars: dict[str, float]) -> None:
        """Record scalars by name for the next `read`."""
        for name, value in scalars.items():
            self.note(name, value)

    def _keep(self, name: str, values: NDArray[Any]) -> None:
        self.spread.setdefault(name, deque(maxlen=BATCHES)).append(values)

    def distributions(self) -> dict[str, NDArray[Any]]:
        """Return values [N] of the newest batches since the last call, for histograms."""
        found = {name: np.concatenate(batches) for name, batches in self.spread.items()}
        self.spread.clear()
        return found

    def score(self) -> float | None:
        """Return the mean raw score of the last `WINDOW` greedy games, None before there are as many."""
        return fmean(game.score for game in self.greedy) if len(self.greedy) == WINDOW else None

    def reached(self, goal: float | None) -> bool:
        """Return whether recent greedy games or the newest evaluation have reached `goal`; False if it is None."""
        return self.passed(goal) or _as_good(self.score(), goal)

    def passed(self, goal: float | None) -> bool:
        """Return whether the newest evaluation has reached `goal`; False if it is None."""
        return _as_good(self.judged, goal)

    def row(self, scalars: dict[str, float]) -> dict[str, Any]:
        """Return the row of `curve.csv` for scalars of `read`."""
        scores = {name: scalars.get(f"score_while_training/{name}") for name in ("all_lanes", "low_epsilon")}
        return {"frames": self.frames, "updates": self.updates, **scores}

    def line(self, scalars: dict[str, float]) -> str:
        """Return a progress line: the score of the lanes at low epsilon, else of all, and epsilon."""
        score = scalars.get(f"score_while_training/{'low_epsilon' if self.greedy else 'all_lanes'}")
        shown = "no finished game yet" if score is None else f"score {score:.1f}"
        return f"{shown}  epsilon {scalars['acting/epsilon_mean']:.3f}"

    def read(self) -> dict[str, float]:
        """Return all scalars by TensorBoard tag, averaged since the last call."""
        scalars = {name: fmean(values) for name, values in self.means.items()}
        self.means.clear()
        for name, games in (("all_lanes", self.recent), ("low_epsilon", self.greedy)):
            if games:
                scalars[f"score_while_training/{name}"] = fmean(game.score for game in games)
                scalars[f"episode_steps/{name}"] = fmean(game.steps for game in games)
        return scalars

    def state(self) -> dict[str, Any]:
        """Return counters and recent games, for a checkpoint."""
        windows = {name: [list(game) for game in getattr(self, name)] for name in WINDOWS}
        return {name: getattr(self, name) for name in COUNTERS} | windows

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore counters and recent games, which older checkpoints do not have."""
        for name in COUNTERS:
            setattr(self, name, state[name])
        self.judged = None
        for name in WINDOWS:
            window = getattr(self, name)
            window.clear()
            window.extend(Episode(*game) for game in state.get(name, ()))


def counters(saved: Path) -> dict[str, int]:
    """Return the agent steps and emulator frames of a checkpoint's policy."""
    stats = checkpoint.load(saved, only="stats")["stats"]
    return {name: int(stats[name]) for name in ("agent_steps", "frames")}


def _as_good(score: float | None, goal: float | None) -> bool:
    """Return whether both are given and the goal is reached."""
    return score is not None and goal is not None and score >= goal

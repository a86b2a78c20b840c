"""Runs of online agents: the part of `training.run.Run` that all algorithms share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from agents.acting.exploration import ExplorationSettings, epsilons
from agents.acting.policy import LearningPolicy
from agents.curve import draw_curve
from agents.evaluation.judged import closing, judgement
from agents.playback.pictures import pictures_of
from agents.saved_policy import policy_of
from agents.settings import AgentSettings, StopSettings
from agents.stats import RunStats
from training.run import About, Clock, Closing, Picture
from training.search import Judgement
from training.storage import checkpoint


class Loop(Protocol):
    """A training loop, in one process or on a fleet."""

    @property
    def stats(self) -> RunStats: ...

    def step(self) -> None: ...

    def policy(self) -> LearningPolicy: ...

    def save(self, folder: Path) -> Path: ...

    def load(self, path: Path) -> None: ...

    def close(self) -> None: ...


class LoopSettings(AgentSettings, Protocol):
    """Settings of such a run."""

    @property
    def stop(self) -> StopSettings: ...

    @property
    def exploration(self) -> ExplorationSettings: ...


class LoopRun:
    """Progress, evaluation, pictures and checkpoints of a loop."""

    def __init__(self, loop: Loop, settings: LoopSettings, about: About) -> None:
        self.loop, self.settings, self.about = loop, settings, about
        self.unseen: Path | None = None  # newest checkpoint without pictures yet
        self.scalars: dict[str, float] = {}  # of the last report

    @property
    def clock(self) -> Clock:
        """Agent steps over all envs."""
        return Clock("agent_steps", self.loop.stats.agent_steps, self.settings.stop.steps)

    @property
    def seconds(self) -> float:
        """Wall-clock seconds, saved in checkpoints."""
        return self.loop.stats.seconds

    @seconds.setter
    def seconds(self, value: float) -> None:
        self.loop.stats.seconds = value

    def step(self, until: int) -> None:
        """Do one turn of the loop, at least a chunk or a rollout in every env, even if `until` is closer."""
        self.loop.step()

    def goal_reached(self) -> bool:
        """Return whether recent games, or an evaluation during training, have reached `stop.score`."""
        return self.loop.stats.reached(self.settings.stop.score)

    def read(self, lanes: int) -> dict[str, float]:
        """Return all scalars since the last report, counters, and the mean epsilon over all `lanes`."""
        stats = self.loop.stats
        epsilon = epsilons(self.settings.exploration, lanes, stats.agent_steps)
        self.scalars = stats.read() | {
            "run/frames": stats.frames,
            "run/learner_updates": stats.updates,
            "run/episodes": stats.episodes,
            "acting/epsilon_mean": float(epsilon.mean()),
        }
        return self.scalars

    def distributions(self) -> dict[str, NDArray[Any]]:
        """Return values of recent batches, for histograms."""
        return self.loop.stats.distributions()

    def pictures(self) -> list[Picture]:
        """Draw the policy of a new checkpoint, read from its file so that a lost learner does not matter."""
        path, self.unseen = self.unseen, None
        if path is None:
            return []
        policy: LearningPolicy = policy_of(checkpoint.load(path, only="learner"), self.settings)
        return pictures_of(policy, self.settings, self.clock.now)

    def line(self) -> str:
        """Return a progress line: the score of the lanes at low epsilon, else of all, and epsilon."""
        return self.loop.stats.line(self.scalars)

    def judge(self) -> Judgement:
        """Return the mean score of `evaluation.every_episodes` whole games, on one core."""
        return judgement(self.loop.policy(), self.settings)

    def finish(self) -> None:
        """Do nothing."""

    def evaluate(self, on_step: Callable[[float], None]) -> Closing:
        """Run the closing evaluation, after stopping the loop."""
        policy = self.loop.policy()
        self.loop.close()  # frees the cores; an asynchronous evaluation may still be running
        return closing(policy, self.settings, on_step)

    def draw_curve(self, table: Path, picture: Path) -> None:
        """Plot scores over agent steps."""
        draw_curve(table, picture, f"{self.settings.env.id}, seed {self.settings.seed}")

    def save(self, folder: Path) -> Path:
        """Write a checkpoint."""
        self.unseen = self.loop.save(folder)
        return self.unseen

    def load(self, path: Path) -> None:
        """Restore a checkpoint."""
        self.loop.load(path)

    def close(self) -> None:
        """Stop the loop."""
        self.loop.close()

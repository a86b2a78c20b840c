"""A loop that learns from what it plays, as a run that a session drives: all but what its algorithm reports."""

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
    """What trains, in one process or by a fleet."""

    @property
    def stats(self) -> RunStats: ...

    def step(self) -> None: ...

    def policy(self) -> LearningPolicy: ...

    def save(self, folder: Path) -> Path: ...

    def load(self, path: Path) -> None: ...

    def close(self) -> None: ...


class LoopSettings(AgentSettings, Protocol):
    """What the settings of such a run have."""

    @property
    def stop(self) -> StopSettings: ...

    @property
    def exploration(self) -> ExplorationSettings: ...


class LoopRun:
    """A loop, and what is to be said and shown of it. It calls nothing of the classes built on it."""

    def __init__(self, loop: Loop, settings: LoopSettings, about: About) -> None:
        self.loop, self.settings, self.about = loop, settings, about
        self.unseen: Path | None = None  # the newest checkpoint, if nobody has looked at its policy yet
        self.scalars: dict[str, float] = {}  # as last reported

    @property
    def clock(self) -> Clock:
        """In agent steps over all envs."""
        return Clock("agent_steps", self.loop.stats.agent_steps, self.settings.stop.steps)

    @property
    def seconds(self) -> float:
        """Wall clock up to the last checkpoint, which keeps it."""
        return self.loop.stats.seconds

    @seconds.setter
    def seconds(self, value: float) -> None:
        self.loop.stats.seconds = value

    def step(self, until: int) -> None:
        """One turn of the loop, a chunk or a rollout in every env at least, however near `until` is."""
        self.loop.step()

    def goal_reached(self) -> bool:
        """Whether recent games, or those of an evaluation beside training, are as good as `stop.score` asks for."""
        return self.loop.stats.reached(self.settings.stop.score)

    def read(self, lanes: int) -> dict[str, float]:
        """All scalars since the last report, with counters, and epsilon's mean over all `lanes`."""
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
        """Single values of recent batches."""
        return self.loop.stats.distributions()

    def pictures(self) -> list[Picture]:
        """The policy of a new checkpoint, from its file: no learner is asked, so none can be lost over it."""
        path, self.unseen = self.unseen, None
        if path is None:
            return []
        policy: LearningPolicy = policy_of(checkpoint.load(path, only="learner"), self.settings)
        return pictures_of(policy, self.settings, self.clock.now)

    def line(self) -> str:
        """The newest score, of the lanes at low epsilon, else of all; and epsilon."""
        return self.loop.stats.line(self.scalars)

    def judge(self) -> Judgement:
        """The mean score of `evaluation.every_episodes` whole games, on one core."""
        return judgement(self.loop.policy(), self.settings)

    def finish(self) -> None:
        """Nothing is left to do."""

    def evaluate(self, on_step: Callable[[float], None]) -> Closing:
        """The settings' evaluation, once nothing else runs."""
        policy = self.loop.policy()
        self.loop.close()  # the cores are the games' alone: an evaluation beside training may still be running
        return closing(policy, self.settings, on_step)

    def draw_curve(self, table: Path, picture: Path) -> None:
        """Scores over agent steps."""
        draw_curve(table, picture, f"{self.settings.env.id}, seed {self.settings.seed}")

    def save(self, folder: Path) -> Path:
        """Write a checkpoint."""
        self.unseen = self.loop.save(folder)
        return self.unseen

    def load(self, path: Path) -> None:
        """Go on from a checkpoint."""
        self.loop.load(path)

    def close(self) -> None:
        """Stop the loop."""
        self.loop.close()

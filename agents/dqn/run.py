"""Deep Q-learning as a run that a session drives, whichever loop trains it: one process or a fleet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from agents.acting.exploration import epsilons
from agents.acting.policy import LearningPolicy
from agents.acting.rollout import LANE_STEPS
from agents.curve import COLUMNS, draw_curve
from agents.dqn.charts import LAYOUT, RESULTS, compared
from agents.dqn.serial import SerialLoop
from agents.dqn.settings import Settings
from agents.dqn.stats import RunStats
from agents.dqn.throughput import throughput
from agents.evaluation.judged import closing, judgement
from agents.parts import parts_of
from agents.playback.pictures import pictures_of
from agents.replay.limiter import SamplesPerInsert
from training.run import About, Clock, Closing, Picture, Record
from training.search import Judgement
from training.settings import flat
from training.storage import checkpoint


class Loop(Protocol):
    """What trains: `agents.dqn.serial.SerialLoop` or `cluster.fleet.loop.FleetLoop`."""

    @property
    def stats(self) -> RunStats: ...

    @property
    def limiter(self) -> SamplesPerInsert: ...

    def step(self) -> None: ...

    def policy(self) -> LearningPolicy: ...

    def save(self, folder: Path, also: Callable[[Path], None] = ...) -> Path: ...

    def load(self, path: Path) -> None: ...

    def close(self) -> None: ...


class DqnRun:
    """A loop, and what is to be said and shown of it; `usual` are the preset's settings."""

    def __init__(self, loop: Loop, settings: Settings, usual: Settings, *, serial: bool) -> None:
        self.loop, self.settings, self.serial = loop, settings, serial
        self.unseen: Path | None = None  # the newest checkpoint, if nobody has looked at its policy yet
        self.scalars: dict[str, float] = {}  # as last reported
        self.about = About(
            title=settings.env.id,
            columns=COLUMNS,
            minutes=settings.stop.minutes,
            checkpoint_minutes=settings.checkpoint_minutes,
            settings=flat(settings),
            compared=compared(settings),
            usual=compared(usual),
            results=RESULTS,
            charts=LAYOUT,
            checkpoint_every=LANE_STEPS * settings.fleet.lanes if serial else 0,
        )

    @property
    def clock(self) -> Clock:
        """In agent steps."""
        return Clock("agent_steps", self.loop.stats.agent_steps, self.settings.stop.steps)

    @property
    def seconds(self) -> float:
        """Wall clock up to the last checkpoint, which keeps it."""
        return self.loop.stats.seconds

    @seconds.setter
    def seconds(self, value: float) -> None:
        self.loop.stats.seconds = value

    def step(self, until: int) -> None:
        """One turn of the loop, which is a chunk in every lane at least, however near `until` is."""
        self.loop.step()

    def goal_reached(self) -> bool:
        """Whether recent games, or those of an evaluation beside training, are as good as `stop.score` asks for."""
        return self.loop.stats.reached(self.settings.stop.score)

    def records(self) -> list[Record]:
        """Everything since the last report; evaluations beside training at the steps that their weights had seen."""
        stats, settings = self.loop.stats, self.settings
        scalars = stats.read()
        evaluations, stats.evaluations = stats.evaluations, []
        epsilon = epsilons(settings.exploration, settings.fleet.lanes, stats.agent_steps)
        scalars |= {
            "run/frames": stats.frames,
            "run/learner_updates": stats.updates,
            "run/samples_per_insert": self.loop.limiter.measured(),
            "run/episodes": stats.episodes,
            "acting/epsilon_mean": float(epsilon.mean()),
        }
        self.scalars = scalars
        row = stats.row(scalars)
        row["evaluation"] = evaluations[-1][1]["mean"] if evaluations else None
        judged = [Record(steps, {"evaluation/score_mean": summary["mean"]}) for steps, summary in evaluations]
        stages = throughput(scalars, settings, serial=self.serial)
        return [*judged, Record(stats.agent_steps, scalars | stages, row)]

    def distributions(self) -> dict[str, NDArray[Any]]:
        """Single values of recent batches."""
        return self.loop.stats.distributions()

    def pictures(self) -> list[Picture]:
        """The policy of a new checkpoint, from its file: no learner is asked, so none can be lost over it."""
        path, self.unseen = self.unseen, None
        if path is None:
            return []
        policy = parts_of(self.settings).policy_of(checkpoint.load(path, only="learner"), self.settings)
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

    def summary(self) -> dict[str, Any]:
        """Counters, seed and the ratio that was kept."""
        stats = self.loop.stats
        counters = {"frames": stats.frames, "updates": stats.updates, "episodes": stats.episodes}
        return {**counters, "samples_per_insert": self.loop.limiter.measured(), "seed": self.settings.seed}

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


def make_run(settings: Settings, usual: Settings, folder: Path) -> DqnRun:
    """Deep Q-learning in this process."""
    return DqnRun(SerialLoop(settings), settings, usual, serial=True)

"""PQN as a run that a session drives, whichever loop trains it: one process or a fleet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from agents.acting.exploration import epsilons
from agents.acting.policy import QPolicy
from agents.acting.rollout import LANE_STEPS
from agents.curve import COLUMNS, draw_curve
from agents.dqn.stats import RunStats
from agents.evaluation.judged import closing, judgement
from agents.playback.pictures import pictures_of
from agents.pqn.charts import LAYOUT, RESULTS, compared
from agents.pqn.serial import SerialLoop
from agents.pqn.settings import PqnSettings
from training.run import About, Clock, Closing, Picture, Record
from training.search import Judgement
from training.settings import flat


class Loop(Protocol):
    """What trains: `agents.pqn.serial.SerialLoop` or `cluster.fleet.on_policy.OnPolicyLoop`."""

    stats: RunStats

    def step(self) -> None: ...

    def policy(self) -> QPolicy: ...

    def save(self, folder: Path) -> Path: ...

    def load(self, path: Path) -> None: ...

    def close(self) -> None: ...


class PqnRun:
    """A loop, and what is to be said and shown of it; `usual` are the preset's settings."""

    def __init__(self, loop: Loop, settings: PqnSettings, usual: PqnSettings, *, serial: bool) -> None:
        s = self.settings = settings
        self.loop, self.stats = loop, loop.stats
        self.unshown = False  # whether nobody has looked at the newest checkpoint's policy yet
        self.scalars: dict[str, float] = {}  # as last reported
        self.about = About(
            title=s.env.id,
            columns=COLUMNS,
            minutes=s.stop.minutes,
            checkpoint_minutes=s.checkpoint_minutes,
            settings=flat(s),
            compared=compared(s),
            usual=compared(usual),
            results=RESULTS,
            charts=LAYOUT,
            checkpoint_every=LANE_STEPS * s.learner.num_envs if serial else 0,
        )

    @property
    def clock(self) -> Clock:
        """In agent steps over all envs."""
        return Clock("agent_steps", self.stats.agent_steps, self.settings.stop.steps)

    @property
    def seconds(self) -> float:
        """Wall clock up to the last checkpoint, which keeps it."""
        return self.stats.seconds

    @seconds.setter
    def seconds(self, value: float) -> None:
        self.stats.seconds = value

    def step(self, until: int) -> None:
        """One turn of the loop, which is a rollout in every env, however near `until` is."""
        self.loop.step()

    def goal_reached(self) -> bool:
        """Whether recent games are as good as `stop.score` asks for."""
        return self.stats.reached(self.settings.stop.score)

    def records(self) -> list[Record]:
        """Everything since the last report."""
        stats, s = self.stats, self.settings
        scalars = self.scalars = stats.read()
        scalars |= {
            "run/frames": stats.frames,
            "run/learner_updates": stats.updates,
            "run/episodes": stats.episodes,
            "acting/epsilon_mean": float(epsilons(s.exploration, s.learner.num_envs, stats.agent_steps).mean()),
        }
        return [Record(stats.agent_steps, scalars, stats.row(scalars))]

    def distributions(self) -> dict[str, NDArray[Any]]:
        """Single values of recent minibatches."""
        return self.stats.distributions()

    def pictures(self) -> list[Picture]:
        """The policy once for every checkpoint: what it plays changes nothing of the run."""
        due, self.unshown = self.unshown, False
        return pictures_of(self.loop.policy(), self.settings, self.clock.now) if due else []

    def line(self) -> str:
        """The newest score, of the envs at low epsilon, else of all; and epsilon."""
        return self.stats.line(self.scalars)

    def judge(self) -> Judgement:
        """The mean score of some whole games."""
        return judgement(self.loop.policy(), self.settings)

    def finish(self) -> None:
        """Nothing is left to do."""

    def evaluate(self, on_step: Callable[[float], None]) -> Closing:
        """The settings' evaluation, once nothing else runs."""
        policy = self.loop.policy()
        self.loop.close()
        return closing(policy, self.settings, on_step)

    def summary(self) -> dict[str, Any]:
        """Counters and seed; every transition is learned from once an epoch."""
        stats, s = self.stats, self.settings
        counters = {"frames": stats.frames, "updates": stats.updates, "episodes": stats.episodes}
        return {**counters, "samples_per_insert": float(s.learner.epochs), "seed": s.seed}

    def draw_curve(self, table: Path, picture: Path) -> None:
        """Scores over agent steps."""
        draw_curve(table, picture, f"{self.settings.env.id}, seed {self.settings.seed}")

    def save(self, folder: Path) -> Path:
        """Write a checkpoint."""
        path = self.loop.save(folder)
        self.unshown = True
        return path

    def load(self, path: Path) -> None:
        """Go on from a checkpoint."""
        self.loop.load(path)

    def close(self) -> None:
        """Stop the loop."""
        self.loop.close()


def make_run(settings: PqnSettings, usual: PqnSettings, folder: Path) -> PqnRun:
    """PQN in this process."""
    return PqnRun(SerialLoop(settings), settings, usual, serial=True)

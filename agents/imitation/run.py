"""A training from a data set as a run that a session drives: the main loop, in one process. No game is played in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from agents.acting.policy import QPolicy
from agents.evaluation.judged import closing, judgement
from agents.imitation.charts import COLUMNS, LAYOUT, RESULTS, compared, draw_curve
from agents.imitation.dataset import emulator_frames
from agents.imitation.settings import DatasetSettings
from agents.networks.q_network import QNetwork
from agents.playback.pictures import pictures_of
from agents.stats import RunStats
from agents.updates import UpdateStats
from training.device import Precision
from training.run import About, Clock, Closing, Picture, Record
from training.search import Judgement
from training.settings import flat, to_dict
from training.storage import checkpoint

TURN = 50  # updates between two looks at the clock
TESTED = 2_048  # held-out labels of a look while training; the summary is of all


class DatasetLearner(Protocol):
    """What learns: `agents.imitation.learner.CloningLearner` or `agents.imitation.offline.OfflineLearner`."""

    network: QNetwork  # the one that is judged
    device: str
    batch_size: int

    @property
    def precision(self) -> Precision: ...

    def train(self, updates: int) -> UpdateStats: ...

    def held_out_metrics(self, most: int | None = None) -> dict[str, float]: ...

    def state(self) -> dict[str, Any]: ...

    def load_state(self, state: dict[str, Any]) -> None: ...


class DatasetRun:
    """A learner with its labels, and what is to be said of it.

    Args:
        labels: actions that it learns from.
        usual: the preset's settings.
    """

    def __init__(self, settings: DatasetSettings, learner: DatasetLearner, labels: int, usual: DatasetSettings) -> None:
        self.settings, self.learner = settings, learner
        self.policy = QPolicy(learner.network, precision=learner.precision, device=learner.device)
        self.stats = RunStats(agent_steps=labels, frames=emulator_frames(settings.env, labels))
        self.unshown = False  # whether nobody has looked at the newest checkpoint's policy yet
        self.scalars: dict[str, float] = {}  # as last reported
        self.about = About(
            title=settings.env.id,
            columns=COLUMNS,
            minutes=settings.minutes,
            checkpoint_minutes=settings.checkpoint_minutes,
            settings=flat(settings),
            compared=compared(settings),
            usual=compared(usual),
            results=RESULTS,
            charts=LAYOUT,
        )

    @property
    def clock(self) -> Clock:
        """In samples."""
        return Clock("samples", self.stats.updates * self.learner.batch_size, self.settings.samples)

    @property
    def seconds(self) -> float:
        """Wall clock up to the last checkpoint, which keeps it."""
        return self.stats.seconds

    @seconds.setter
    def seconds(self, value: float) -> None:
        self.stats.seconds = value

    def step(self, until: int) -> None:
        """The main loop's one turn: some updates, the last of them where `until` is reached."""
        left = -(-(until - self.clock.now) // self.learner.batch_size)
        self.stats.add_updates(self.learner.train(max(min(left, TURN), 1)))

    def goal_reached(self) -> bool:
        """It learns to the end of its samples."""
        return False

    def records(self) -> list[Record]:
        """Everything since the last report, and how it does on what was held out."""
        held_out = {f"learner/{name}": value for name, value in self.learner.held_out_metrics(TESTED).items()}
        counted = {"run/learner_updates": self.stats.updates, "run/epochs": self.epochs}
        scalars = self.scalars = {**self.stats.read(), **held_out, **counted}
        row: dict[str, Any] = {"frames": self.stats.frames, "updates": self.stats.updates}
        row |= {name: scalars.get(f"learner/{name}") for name in COLUMNS if name not in row}
        return [Record(self.clock.now, scalars, row)]

    @property
    def epochs(self) -> float:
        """How often a label was drawn, in the mean."""
        return self.clock.now / self.stats.agent_steps

    def distributions(self) -> dict[str, NDArray[Any]]:
        """Single values of recent batches."""
        return self.stats.distributions()

    def pictures(self) -> list[Picture]:
        """The policy once for every checkpoint."""
        due, self.unshown = self.unshown, False
        return pictures_of(self.policy, self.settings, self.clock.now) if due else []

    def line(self) -> str:
        """How often it is right on what was held out, else in training; without labels to be right on, its loss."""
        for name in ("held_out_accuracy", "accuracy"):
            if f"learner/{name}" in self.scalars:
                return f"{name.replace('_', ' ')} {self.scalars[f'learner/{name}']:.3f}"
        return f"loss {self.scalars.get('learner/loss', float('nan')):.3f}"

    def judge(self) -> Judgement:
        """The mean score of some whole games."""
        return judgement(self.policy, self.settings)

    def finish(self) -> None:
        """Nothing is left to do."""

    def evaluate(self, on_step: Callable[[float], None]) -> Closing:
        """The settings' evaluation."""
        return closing(self.policy, self.settings, on_step)

    def summary(self) -> dict[str, Any]:
        """Counters, seed, and how it does on all that was held out."""
        stats, held_out = self.stats, self.learner.held_out_metrics()
        counters = {"agent_steps": stats.agent_steps, "frames": stats.frames, "updates": stats.updates}
        return {**counters, "labels": stats.agent_steps, "epochs": self.epochs, **held_out, "seed": self.settings.seed}

    def draw_curve(self, table: Path, picture: Path) -> None:
        """Loss and accuracy over samples."""
        draw_curve(table, picture, f"{self.settings.env.id}, seed {self.settings.seed}")

    def save(self, folder: Path) -> Path:
        """Write a checkpoint; the data set stays where it is."""
        state = {"settings": to_dict(self.settings), "stats": self.stats.state(), "learner": self.learner.state()}
        self.unshown = True
        return checkpoint.save_next(folder, self.clock.now, state)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint as the run that saved it went on: bit for bit in float32 on a CPU.

        Raises:
            CheckpointError: it was trained on another number of labels: the data set is not what it was.
        """
        state = checkpoint.load(path)
        if state["stats"]["agent_steps"] != self.stats.agent_steps:
            found = f"{path} was trained on {state['stats']['agent_steps']:,} labels, of {self.settings.dataset}"
            raise checkpoint.CheckpointError(found, "which holds others now: put it back, or train anew")
        self.learner.load_state(state["learner"])
        self.stats.load_state(state["stats"])

    def close(self) -> None:
        """Nothing is held but memory."""

"""Training from a data set as a `training.run.Run`: the main loop, in one process, without play."""

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

TURN = 50  # updates of one `step`
HELD_OUT_SAMPLE = 2_048  # held-out labels evaluated for a report; the summary uses all


class DatasetLearner(Protocol):
    """Interface of `agents.imitation.learner.CloningLearner` and `agents.imitation.offline.OfflineLearner`."""

    network: QNetwork  # the one that is evaluated
    device: str
    batch_size: int

    @property
    def precision(self) -> Precision: ...

    def train(self, updates: int) -> UpdateStats: ...

    def held_out_metrics(self, most: int | None = None) -> dict[str, float]: ...

    def state(self) -> dict[str, Any]: ...

    def load_state(self, state: dict[str, Any]) -> None: ...


class DatasetRun:
    """A learner and its reports, checkpoints and evaluation.

    Args:
        labels: number of actions that the learner trains on.
        defaults: the preset's settings.
    """

    def __init__(
        self, settings: DatasetSettings, learner: DatasetLearner, labels: int, defaults: DatasetSettings
    ) -> None:
        self.settings, self.learner = settings, learner
        self.policy = QPolicy(learner.network, precision=learner.precision, device=learner.device)
        self.stats = RunStats(agent_steps=labels, frames=emulator_frames(settings.env, labels))
        self.unshown = False  # whether the policy of the newest checkpoint is not drawn yet
        self.scalars: dict[str, float] = {}  # as last reported
        self.about = About(
            title=settings.env.id,
            columns=COLUMNS,
            minutes=settings.minutes,
            checkpoint_minutes=settings.checkpoint_minutes,
            settings=flat(settings),
            compared=compared(settings),
            defaults=compared(defaults),
            results=RESULTS,
            charts=LAYOUT,
        )

    @property
    def clock(self) -> Clock:
        """Progress in samples."""
        return Clock("samples", self.stats.updates * self.learner.batch_size, self.settings.samples)

    @property
    def seconds(self) -> float:
        """Wall-clock seconds up to the last checkpoint, which stores them."""
        return self.stats.seconds

    @seconds.setter
    def seconds(self, value: float) -> None:
        self.stats.seconds = value

    def step(self, until: int) -> None:
        """Run up to `TURN` updates, and no more than reach `until` samples."""
        left = -(-(until - self.clock.now) // self.learner.batch_size)
        self.stats.add_updates(self.learner.train(max(min(left, TURN), 1)))

    def goal_reached(self) -> bool:
        """Return False: training uses all of its samples."""
        return False

    def records(self) -> list[Record]:
        """Return the metrics since the last report, and those on held-out labels."""
        held_out = {f"learner/{name}": value for name, value in self.learner.held_out_metrics(HELD_OUT_SAMPLE).items()}
        counted = {"run/learner_updates": self.stats.updates, "run/epochs": self.epochs}
        scalars = self.scalars = {**self.stats.read(), **held_out, **counted}
        row: dict[str, Any] = {"frames": self.stats.frames, "updates": self.stats.updates}
        row |= {name: scalars.get(f"learner/{name}") for name in COLUMNS if name not in row}
        return [Record(self.clock.now, scalars, row)]

    @property
    def epochs(self) -> float:
        """Mean number of times that a label was drawn."""
        return self.clock.now / self.stats.agent_steps

    def distributions(self) -> dict[str, NDArray[Any]]:
        """Return single values of recent minibatches, by tag."""
        return self.stats.distributions()

    def pictures(self) -> list[Picture]:
        """Return pictures of the policy, once after every checkpoint."""
        due, self.unshown = self.unshown, False
        return pictures_of(self.policy, self.settings, self.clock.now) if due else []

    def line(self) -> str:
        """Return the held-out accuracy, else the training accuracy, else the loss, for the live line."""
        for name in ("held_out_accuracy", "accuracy"):
            if f"learner/{name}" in self.scalars:
                return f"{name.replace('_', ' ')} {self.scalars[f'learner/{name}']:.3f}"
        return f"loss {self.scalars.get('learner/loss', float('nan')):.3f}"

    def judge(self) -> Judgement:
        """Return the mean score of `evaluation.every_episodes` whole games."""
        return judgement(self.policy, self.settings)

    def finish(self) -> None:
        """Do nothing."""

    def evaluate(self, on_step: Callable[[float], None]) -> Closing:
        """Run the closing evaluation."""
        return closing(self.policy, self.settings, on_step)

    def summary(self) -> dict[str, Any]:
        """Return counters, seed, and the metrics on all held-out labels."""
        stats, held_out = self.stats, self.learner.held_out_metrics()
        counters = {"agent_steps": stats.agent_steps, "frames": stats.frames, "updates": stats.updates}
        return {**counters, "labels": stats.agent_steps, "epochs": self.epochs, **held_out, "seed": self.settings.seed}

    def draw_curve(self, table: Path, picture: Path) -> None:
        """Plot loss and accuracy over samples."""
        draw_curve(table, picture, f"{self.settings.env.id}, seed {self.settings.seed}")

    def save(self, folder: Path) -> Path:
        """Write a checkpoint; it does not contain the data set."""
        state = {"settings": to_dict(self.settings), "stats": self.stats.state(), "learner": self.learner.state()}
        self.unshown = True
        return checkpoint.save_next(folder, self.clock.now, state)

    def load(self, path: Path) -> None:
        """Restore the run from a checkpoint; training continues bit for bit in float32 on a CPU.

        Raises:
            CheckpointError: it was trained on another number of labels, so the data set has changed.
        """
        state = checkpoint.load(path)
        if state["stats"]["agent_steps"] != self.stats.agent_steps:
            found = f"{path} was trained on {state['stats']['agent_steps']:,} labels, of {self.settings.dataset}"
            raise checkpoint.CheckpointError(found, "which holds others now: put it back, or train anew")
        self.learner.load_state(state["learner"])
        self.stats.load_state(state["stats"])

    def close(self) -> None:
        """Do nothing: the run holds only memory."""

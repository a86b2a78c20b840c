"""One GAN training as a trial of Ray Tune, which schedulers may pause, clone, kill and give to other settings."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from ray import tune
from torch.utils.tensorboard import SummaryWriter

from gan.data.images import Images
from gan.evaluation.scores import Judge
from gan.run import GanRun
from gan.samples.writer import add_grid
from gan.standard.settings import GanSettings
from gan.standard.trainer import Trainer
from training import checkpoint
from training.process import keep_freed_memory
from training.settings import changed

PENALTY = 1e6  # fd_clf of a training that has diverged: finite, so that schedulers can rank it; none is worse
REPORTED = ("fd_clf", "fd_floor", "kid_clf", "precision", "recall", "density", "coverage", "nn_ratio", "class_kl")
STATE = "state"  # of the directories that Tune gives for checkpoints


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What all trials of a sweep have in common."""

    settings: GanSettings
    rounds: int  # in which a trial's images are trained; a round is one step of Tune
    pictures: Path  # a folder of the driver's; on a cluster it lies on storage that all nodes share
    tensorboard: Path
    stop_diverged: bool  # nobody will replace it

    def images_after(self, rounds: int) -> int:
        """Images that a trial has seen after so many rounds."""
        return math.ceil(self.settings.training.images * rounds / self.rounds)


def searched(settings: GanSettings, config: dict[str, Any]) -> GanSettings:
    """The settings with a trial's values in them: {"training.generator_rate": ..., "loss": "hinge/r1", ...}."""
    values = {name: value for name, value in config.items() if name != "loss"}
    if "loss" in config:
        values["loss.kind"], values["loss.penalty"] = config["loss"].split("/")
    return changed(settings, values)


class GanTrial(tune.Trainable):
    """Trains a round, then judges on the select part. Results are numbers; pictures go to files and TensorBoard."""

    def setup(self, config: dict[str, Any], plan: Plan, shared: tuple[Images, Judge]) -> None:
        """Begin with settings drawn by Tune. `shared` lies in the node's object store once, for all its trials."""
        torch.set_num_threads(1)  # the one core that a trial reserves
        keep_freed_memory()
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # shared memory; nobody writes
        self.plan, (self.data, self.judge) = plan, shared
        self.writer = SummaryWriter(str(plan.tensorboard / self.trial_id))
        self.begin(config)

    def begin(self, config: dict[str, Any]) -> None:
        """A training from its first image."""
        self.run = GanRun(Trainer(searched(self.plan.settings, config), self.data), self.judge)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take over another trial, or other settings; Tune then restores a checkpoint if there is one.

        Learning rates, loss and penalty are never part of a checkpoint, so a clone trains with its own.
        """
        self.writer.close()
        self.writer = SummaryWriter(str(self.plan.tensorboard / self.trial_id))
        self.begin(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """One round -> scores of the averaged generator."""
        try:
            losses = self.run.train(self.plan.images_after(self.iteration + 1))
        except FloatingPointError:
            losses, scores = {}, dict.fromkeys(REPORTED, PENALTY)
        else:
            found = self.run.score()
            scores = {name: float(found[name]) for name in REPORTED}
            self._show(scores)
        diverged = not losses
        training, loss = self.run.trainer.settings.training, self.run.trainer.settings.loss
        return {
            **scores,
            **losses,
            "diverged": int(diverged),
            "images": self.run.images,
            "timesteps_total": self.run.images,  # the axis of Tune's own TensorBoard files
            "generator_rate": training.generator_rate,
            "discriminator_rate": training.discriminator_rate,
            "loss": f"{loss.kind}/{loss.penalty}",
            "weight": loss.weight,
            "done": diverged and self.plan.stop_diverged,
        }

    def _show(self, scores: dict[str, float]) -> None:
        file = self.plan.pictures / f"{self.trial_id}-{self.run.images:012d}.png"
        add_grid(self.writer, file, self.run.trainer.average, self.run.images)
        for name, value in scores.items():
            self.writer.add_scalar(f"select/{name}", value, self.run.images)
        self.writer.flush()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Everything, in the project's own format: plain arrays and JSON, complete or absent."""
        checkpoint.save(Path(checkpoint_dir) / STATE, self.run.state())

    def load_checkpoint(self, checkpoint_dir: str) -> None:
        """Go on with another state under the settings this trial has."""
        self.run.load_state(checkpoint.load(Path(checkpoint_dir) / STATE))

    def cleanup(self) -> None:
        """Tune is done with this process."""
        self.writer.close()

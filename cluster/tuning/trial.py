"""One configuration as a trial of Ray Tune: a run for every seed, judged after every round, whatever it trains."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
import warnings
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import torch
from ray import tune

from cluster.tuning.trial_spec import TrialSpec
from training.process import keep_freed_memory
from training.run import Picture
from training.search import Judgement
from training.storage import checkpoint
from training.storage.files import write_bytes


class Round(NamedTuple):
    """What one seed has to tell of its round."""

    judgement: Judgement
    now: int  # on its clock
    scalars: dict[str, float]
    kept: float  # score of the best that it was and still has; nan where runs keep no such thing


class SweepTrial(tune.Trainable):
    """Trains a round of every seed, one after another in the same place, then reports the mean of their scores.

    All configurations are thus compared by the same seeds, after the same training, on the same number of cores.
    """

    def setup(self, config: dict[str, Any], spec: TrialSpec, shared: Any = None) -> None:
        """Begin with settings drawn by Tune. `shared` lies in the node's object store once, for all its trials."""
        torch.set_num_threads(1)
        keep_freed_memory()
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # shared memory; nobody writes
        self.spec, self.config, self.shared = spec, config, shared
        self.folder = Path(tempfile.mkdtemp(prefix="quarterdeck-trial-", dir=spec.folder))

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take over another trial, or other settings; Tune then restores a checkpoint if there is one.

        Settings are never taken from a checkpoint, so a clone trains with its own.
        """
        self.config = new_config
        self._forget()
        return True

    def step(self) -> dict[str, Any]:
        """One round -> the score, the mean over seeds, and what belongs to each seed.

        One that diverges has the worst score there is: the search learns from it, and nothing is tried again.
        """
        target, metric = self.spec.clock_after(self.iteration + 1), self.spec.work.load("search").metric
        try:
            rounds, diverged = [self._train(seed, target) for seed in self.spec.seeds], False
        except FloatingPointError:
            worst = Judgement(metric.worst, dict.fromkeys(metric.beside, metric.worst))
            kept = [self._kept(seed) if metric.kept else math.nan for seed in self.spec.seeds]
            rounds, diverged = [Round(worst, target, {}, one) for one in kept], True
        names = set.intersection(*(set(one.scalars) for one in rounds))
        scores, kept = [one.judgement.score for one in rounds], [one.kept for one in rounds]
        now = round(fmean(one.now for one in rounds))
        return {
            metric.name: fmean(scores),
            "scores": scores,
            # A mean with the worst there is would be no score.
            **({"kept": metric.worst if metric.worst in kept else fmean(kept)} if metric.kept else {}),
            **{name: fmean(one.judgement.beside[name] for one in rounds) for name in metric.beside},
            "now": now,
            "timesteps_total": now,  # the axis of Tune's own files
            "settings": dict(self.config),
            "scalars": {name: fmean(one.scalars[name] for one in rounds) for name in sorted(names)},
            "diverged": int(diverged),
            "done": diverged and self.spec.stop_diverged,
        }

    def _train(self, seed: int, target: int) -> Round:
        """Train one seed until its clock shows `target`.

        Raises:
            FloatingPointError: training has diverged; its last checkpoint is from before.
        """
        spec, folder = self.spec, self._seed(seed)
        saved, settings = checkpoint.complete(folder), spec.settings_of(self.config, seed)
        run = spec.work.new_run(spec.preset, settings, folder, serial=spec.serial, shared=self.shared)
        try:
            if saved:
                run.load(saved[-1])
            whole = False
            while not whole:
                while run.clock.now < target:
                    run.step(target)
                judgement = run.judge()
                scalars = {name: value for record in run.records() for name, value in record.scalars.items()}
                self._keep(run.pictures(), seed)
                run.save(folder)  # behind judging, which changes what a GAN keeps
                # Else a learner was lost over it, and the run went back: those were other weights.
                whole = run.clock.now >= target
            for old in checkpoint.complete(folder)[:-1]:
                shutil.rmtree(old)
            return Round(judgement, run.clock.now, scalars, spec.kept_score(run))
        finally:
            run.close()

    def _kept(self, seed: int) -> float:
        """The score of the best that a seed which has diverged still has, its own or its donor's."""
        folder = self._seed(seed)
        return self.spec.kept_score(self.spec.kept_run(self.config, seed, folder, folder, self.shared))

    def _keep(self, pictures: list[Picture], seed: int) -> None:
        """Write what a round of the first seed has drawn where the driver finds it."""
        if self.spec.pictures is not None and seed == self.spec.seeds[0]:
            for picture in pictures:
                self.spec.pictures.mkdir(parents=True, exist_ok=True)
                write_bytes(self.spec.pictures / picture_name(self.trial_id, picture.at), picture.data)

    def _seed(self, seed: int) -> Path:
        return self.folder / f"seed-{seed}"

    def _forget(self) -> None:
        for seed in self.spec.seeds:
            shutil.rmtree(self._seed(seed), ignore_errors=True)

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Everything of every seed, replay included, in the project's own format."""
        for seed in self.spec.seeds:
            self._seed(seed).mkdir(exist_ok=True)  # one that diverged in its first round has nothing
            shutil.copytree(self._seed(seed), Path(checkpoint_dir) / f"seed-{seed}", copy_function=_link)

    def load_checkpoint(self, checkpoint_dir: str) -> None:
        """Go on with another state under the settings this trial has."""
        self._forget()
        for seed in self.spec.seeds:
            shutil.copytree(Path(checkpoint_dir) / f"seed-{seed}", self._seed(seed), copy_function=_link)

    def cleanup(self) -> None:
        """Tune is done with this process."""
        shutil.rmtree(self.folder, ignore_errors=True)


def picture_name(trial: str, now: int) -> str:
    """What a trial's picture of one moment is called."""
    return f"{trial}-{now:012d}.png"


def _link(source: str, target: str) -> str:
    """Replay is large and never written to again: share it where both lie on one disk."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target

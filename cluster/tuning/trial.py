"""A configuration as a trial of Ray Tune: a run per seed, evaluated after every round."""

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
    """Result of one seed's round."""

    judgement: Judgement
    now: int  # of its clock
    scalars: dict[str, float]
    kept: float  # score of its best saved model; nan if runs keep none


class SweepTrial(tune.Trainable):
    """Trains a round of every seed in turn, then reports the mean of their scores.

    So all configurations are compared with the same seeds, training and number of cores.
    """

    def setup(self, config: dict[str, Any], spec: TrialSpec, shared: Any = None) -> None:
        """Begin with settings drawn by Tune. `shared` is in the node's object store, once for all trials."""
        torch.set_num_threads(1)
        keep_freed_memory()
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # shared memory is read-only
        self.spec, self.config, self.shared = spec, config, shared
        self.folder = Path(tempfile.mkdtemp(prefix="quarterdeck-trial-", dir=spec.folder))

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Switch to another trial or other settings; Tune then restores a checkpoint, if there is one.

        Settings are never taken from a checkpoint, so that a clone trains with its own.
        """
        self.config = new_config
        self._forget()
        return True

    def step(self) -> dict[str, Any]:
        """Train a round; return the mean score and the results of each seed.

        A diverged trial has the worst score, from which the search learns; it is not retried.
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
            # A mean that includes the worst score is meaningless.
            **({"kept": metric.worst if metric.worst in kept else fmean(kept)} if metric.kept else {}),
            **{name: fmean(one.judgement.beside[name] for one in rounds) for name in metric.beside},
            "now": now,
            "timesteps_total": now,  # for Tune's own files
            "settings": dict(self.config),
            "scalars": {name: fmean(one.scalars[name] for one in rounds) for name in sorted(names)},
            "diverged": int(diverged),
            "done": diverged and self.spec.stop_diverged,
        }

    def _train(self, seed: int, target: int) -> Round:
        """Train one seed up to `target` on its clock.

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
                run.save(folder)  # after the evaluation, which may change a GAN's best model
                # False if saving lost a learner and rewound the run: the score was of other weights.
                whole = run.clock.now >= target
            for old in checkpoint.complete(folder)[:-1]:
                shutil.rmtree(old)
            return Round(judgement, run.clock.now, scalars, spec.kept_score(run))
        finally:
            run.close()

    def _kept(self, seed: int) -> float:
        """Return the score of a diverged seed's best saved model, its own or its donor's."""
        folder = self._seed(seed)
        return self.spec.kept_score(self.spec.kept_run(self.config, seed, folder, folder, self.shared))

    def _keep(self, pictures: list[Picture], seed: int) -> None:
        """Write the pictures of the first seed's round for the driver."""
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
        """Save all seeds, including replay, in the project's format."""
        for seed in self.spec.seeds:
            self._seed(seed).mkdir(exist_ok=True)  # missing if it diverged in its first round
            shutil.copytree(self._seed(seed), Path(checkpoint_dir) / f"seed-{seed}", copy_function=_link)

    def load_checkpoint(self, checkpoint_dir: str) -> None:
        """Restore a state; settings stay this trial's."""
        self._forget()
        for seed in self.spec.seeds:
            shutil.copytree(Path(checkpoint_dir) / f"seed-{seed}", self._seed(seed), copy_function=_link)

    def cleanup(self) -> None:
        """Delete the trial's folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def picture_name(trial: str, now: int) -> str:
    """Return the file name of a trial's picture."""
    return f"{trial}-{now:012d}.png"


def _link(source: str, target: str) -> str:
    """Hard-link a file, which is never changed again, or copy it to another disk."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target

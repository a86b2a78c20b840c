"""One configuration as a trial of Ray Tune: a fleet (or the serial loop) for every seed, judged after every round."""

from __future__ import annotations

import logging
import math
import os
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from ray import tune

from agents.dqn.serial import SerialRun
from agents.dqn.settings import Settings
from agents.evaluation.evaluate import evaluate_network
from cluster.fleet.algorithm import Quarterdeck
from cluster.fleet.run import FleetRun
from training import checkpoint
from training.process import keep_freed_memory
from training.settings import changed, to_dict


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What all trials of a sweep have in common."""

    settings: Settings
    seeds: tuple[int, ...]  # every configuration is trained with all of them
    rounds: int  # in which a seed's agent steps are trained; a round is one step of Tune
    serial: bool  # one process a trial instead of a fleet
    gpu: float = 0.0  # share of a GPU that a trial's main process takes

    def settings_of(self, config: dict[str, Any], seed: int) -> Settings:
        """The settings of one seed of one configuration: {"learner.learning_rate": 1e-3, ...}."""
        settings = replace(changed(self.settings, config), seed=seed)
        # Judged at the end of a round, not beside it.
        return replace(settings, evaluation=replace(settings.evaluation, every_steps=0))

    def steps_after(self, rounds: int) -> int:
        """Agent steps that a seed has taken after so many rounds."""
        return math.ceil(self.settings.stop.steps * rounds / self.rounds)

    def bundles(self) -> list[dict[str, float]]:
        """What a trial reserves: its main process, then one bundle for every actor of the fleet that takes a core."""
        if self.serial:
            found: list[dict[str, float]] = [{"CPU": 1}]
        else:
            logging.getLogger("ray.rllib").setLevel(logging.ERROR)
            request = Quarterdeck.default_resource_request({"settings": to_dict(self.settings)})
            found = [{name: amount for name, amount in bundle.items() if amount} for bundle in request.bundles]
        return [{**found[0], "GPU": self.gpu} if self.gpu else found[0], *found[1:]]


def cores(bundles: list[dict[str, float]]) -> float:
    """Cores that a trial reserves."""
    return sum(bundle.get("CPU", 0) for bundle in bundles)


class SweepTrial(tune.Trainable):
    """Trains a round of every seed, one after another in the same place, then reports the mean of their scores.

    All configurations are thus compared by the same seeds, after the same agent steps, on the same number of cores.
    """

    def setup(self, config: dict[str, Any], plan: Plan) -> None:
        """Begin with settings drawn by Tune."""
        torch.set_num_threads(1)
        keep_freed_memory()
        self.plan, self.config = plan, config
        self.folder = Path(tempfile.mkdtemp(prefix="quarterdeck-trial-"))

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take over another trial, or other settings; Tune then restores a checkpoint if there is one.

        Settings are never taken from a checkpoint, so a clone trains with its own.
        """
        self.config = new_config
        self._forget()
        return True

    def step(self) -> dict[str, Any]:
        """One round -> the score, the mean over seeds, and what belongs to each seed."""
        target = self.plan.steps_after(self.iteration + 1)
        rounds = [self._train(seed, target) for seed in self.plan.seeds]
        names = set.intersection(*(set(scalars) for _, _, scalars in rounds))
        return {
            "score": fmean(score for score, _, _ in rounds),
            "scores": [score for score, _, _ in rounds],
            "agent_steps": round(fmean(steps for _, steps, _ in rounds)),
            "settings": {name: self.config[name] for name in self.config},
            "scalars": {name: fmean(scalars[name] for _, _, scalars in rounds) for name in sorted(names)},
        }

    def _train(self, seed: int, target: int) -> tuple[float, int, dict[str, float]]:
        """Train one seed until `target` agent steps -> its score, agent steps, and what it logged on the way."""
        settings = self.plan.settings_of(self.config, seed)
        folder = self._seed(seed)
        saved = checkpoint.complete(folder)
        run = SerialRun(settings) if self.plan.serial else FleetRun(settings)
        try:
            if saved:
                run.load(saved[-1])
            while run.stats.agent_steps < target:
                run.step()
            run.save(folder)
            for old in checkpoint.complete(folder)[:-1]:
                shutil.rmtree(old)
            games = settings.evaluation.every_episodes
            score = float(evaluate_network(run.actor(), settings, episodes=games, threads=1).scores.mean())
            return score, run.stats.agent_steps, run.stats.read()
        finally:
            run.close()

    def _seed(self, seed: int) -> Path:
        return self.folder / f"seed-{seed}"

    def _forget(self) -> None:
        for seed in self.plan.seeds:
            shutil.rmtree(self._seed(seed), ignore_errors=True)

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Everything of every seed, replay included, in the project's own format."""
        for seed in self.plan.seeds:
            shutil.copytree(self._seed(seed), Path(checkpoint_dir) / f"seed-{seed}", copy_function=_link)

    def load_checkpoint(self, checkpoint_dir: str) -> None:
        """Go on with another state under the settings this trial has."""
        self._forget()
        for seed in self.plan.seeds:
            shutil.copytree(Path(checkpoint_dir) / f"seed-{seed}", self._seed(seed), copy_function=_link)

    def cleanup(self) -> None:
        """Tune is done with this process."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _link(source: str, target: str) -> str:
    """Replay is large and never written to again: share it where both lie on one disk."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target

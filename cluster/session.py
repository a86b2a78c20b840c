"""A training session as a person sees it: a live line, TensorBoard, checkpoints, a curve, a summary; Ctrl-C saves."""

from __future__ import annotations

import contextlib
import csv
import time
from pathlib import Path
from typing import Any, Protocol

from agents.acting.exploration import epsilons
from agents.acting.policy import Actor
from agents.dqn.settings import Settings
from agents.dqn.stats import RunStats
from agents.evaluation.evaluate import evaluate_network, policy_of
from agents.replay.limiter import SamplesPerInsert
from cluster.display import Display
from cluster.errors import FleetError, LearnerLost
from cluster.monitor import Monitor
from training import checkpoint
from training.curve import COLUMNS, draw_curve
from training.files import write_json
from training.interrupt import Interrupt
from training.provenance import origin
from training.run_dir import RunDir

REPORT_SECONDS = 5.0


class Run(Protocol):
    """What trains: `agents.dqn.serial.SerialRun` or `cluster.fleet.run.FleetRun`."""

    stats: RunStats
    limiter: SamplesPerInsert

    def step(self) -> None: ...

    def actor(self) -> Actor: ...

    def save(self, folder: Path) -> Path: ...

    def load(self, path: Path) -> None: ...

    def close(self) -> None: ...


class EvaluationEnded(Exception):
    """A person did not want to wait for the closing evaluation."""


class Session:
    """Drives one run until its settings say stop, or a person does."""

    def __init__(self, run: Run, settings: Settings, directory: RunDir, interrupt: Interrupt, started: float) -> None:
        self.run, self.settings, self.directory, self.interrupt = run, settings, directory, interrupt
        self.started = started - run.stats.seconds  # as if the earlier parts of a resumed run had just happened
        self.first_steps, self.first_time = run.stats.agent_steps, time.monotonic()
        self.clock = run.stats.agent_steps  # when it was last looked at
        directory.rewind(run.stats.agent_steps)
        self.monitor = Monitor(directory, settings, run.stats.agent_steps)
        self.reported = self.saved = time.monotonic()
        self.checkpoint: Path | None = None

    def seconds(self) -> float:
        """Wall clock of the run so far, start-up and resumed parts included."""
        return time.monotonic() - self.started

    def train(self) -> None:
        """Train to the end, or until a person interrupts. State is saved either way."""
        try:
            whole = False
            while not whole:
                self._train()
                self._save()
                # Else a learner was lost over it, and the run went back.
                whole = self.interrupt.raised or self._finished()
            if not self.interrupt.raised:
                self._draw()
        except FleetError as error:
            if not isinstance(error, LearnerLost):
                self._save()
            raise
        finally:
            self.monitor.close()

    def _look_at_clock(self) -> None:
        """After a lost learner the run goes on from a checkpoint: drop what was reported beyond it."""
        steps = self.run.stats.agent_steps
        if steps < self.clock:
            self.directory.rewind(steps)
            self.monitor.rewind(steps)
            self.first_steps -= self.clock - steps  # the rate counts all that was trained, kept or not
        self.clock = steps

    def _train(self) -> None:
        with Display(self.settings) as display:
            while not self._finished() and not self.interrupt.raised:
                self.run.step()
                self._look_at_clock()
                save = time.monotonic() - self.saved >= 60 * self.settings.checkpoint_minutes
                if save or time.monotonic() - self.reported >= REPORT_SECONDS:
                    self._report(display)
                if save:
                    self._save()
                    self._draw()
            self._report(display, last=True)

    def _finished(self) -> bool:
        stop, score = self.settings.stop, self.run.stats.score()
        return (
            self.run.stats.agent_steps >= stop.steps
            or self.seconds() >= 60 * stop.minutes
            or (stop.score is not None and score is not None and score >= stop.score)
        )

    def _save(self) -> None:
        self.run.stats.seconds = self.seconds()
        self.checkpoint = self.run.save(self.directory.checkpoints)
        self._look_at_clock()
        if self.directory.curve_csv.exists():  # a run that cannot go on may be saved before its first report
            draw_curve(self.directory.curve_csv, self.directory.curve_png, self.settings.world.env, self.settings.seed)
        self.saved = time.monotonic()

    def _draw(self) -> None:
        """Show the policy that was just saved, from its file: no learner is asked, so none can be lost over it."""
        assert self.checkpoint is not None
        policy = policy_of(checkpoint.load(self.checkpoint, only="learner"), self.settings)
        self.monitor.pictures(policy, self.run.stats.agent_steps)

    def _report(self, display: Display, *, last: bool = False) -> None:
        """Scalars and distributions into TensorBoard, a row of the curve, the live line."""
        stats, settings = self.run.stats, self.settings
        rate = self.steps_per_second()
        scalars = stats.read()
        evaluations, stats.evaluations = stats.evaluations, []
        epsilon = epsilons(settings.exploration, settings.fleet.lanes, stats.agent_steps)
        scalars |= {
            "run/agent_steps_per_second": rate,
            "run/frames": stats.frames,
            "run/learner_updates": stats.updates,
            "run/samples_per_insert": self.run.limiter.measured(),
            "run/episodes": stats.episodes,
            "acting/epsilon_mean": float(epsilon.mean()),
        }
        self.monitor.scalars(scalars, stats.agent_steps)
        if last or self.monitor.distributions_due():
            self.monitor.distributions(stats.distributions(), stats.agent_steps)
        for steps, summary in evaluations:
            self.monitor.evaluated(summary["mean"], steps)
        self._append_curve(scalars, evaluations)
        display.update(stats, scalars, seconds=self.seconds(), rate=rate)
        self.reported = time.monotonic()

    def _append_curve(self, scalars: dict[str, float], evaluations: list[tuple[int, dict[str, Any]]]) -> None:
        stats, new = self.run.stats, not self.directory.curve_csv.exists()
        with self.directory.curve_csv.open("a", newline="") as out:
            writer = csv.writer(out)
            if new:
                writer.writerow(COLUMNS)
            row = [round(self.seconds(), 1), stats.agent_steps, stats.frames, stats.updates]
            games = [scalars.get(f"score_while_training/{name}") for name in ("all_lanes", "low_epsilon")]
            writer.writerow([*row, *games, evaluations[-1][1]["mean"] if evaluations else None])

    def steps_per_second(self) -> float:
        """Agent steps per second since this process began to train, those that were lost with a learner included."""
        return (self.run.stats.agent_steps - self.first_steps) / max(time.monotonic() - self.first_time, 1e-9)

    def close(self) -> dict[str, Any]:
        """Play the closing evaluation, unless a person has interrupted, and write summary.json; returns what it holds.

        Who interrupts the evaluation ends it: the summary then holds none.
        """
        stats, seconds, rate = self.run.stats, self.seconds(), self.steps_per_second()
        result = None if self.interrupt.raised else self._evaluate()
        self.monitor.conclude(result["mean"] if result else None, stats.agent_steps)
        summary = {
            "agent_steps": stats.agent_steps,
            "frames": stats.frames,
            "updates": stats.updates,
            "episodes": stats.episodes,
            "seconds": seconds,
            "seconds_with_evaluation": self.seconds(),
            "steps_per_second": rate,
            "samples_per_insert": self.run.limiter.measured(),
            "eval": result,
            "checkpoint": str(self.checkpoint),
            "seed": self.settings.seed,
            **origin(),
        }
        write_json(self.directory.summary, summary)
        return summary

    def _evaluate(self) -> dict[str, Any] | None:
        episodes = self.settings.evaluation.episodes
        with contextlib.suppress(EvaluationEnded), Display.evaluation(episodes) as show:

            def on_step(done: int) -> None:
                show(done)
                if self.interrupt.raised:
                    raise EvaluationEnded

            actor = self.run.actor()
            self.run.close()  # the cores are the games' alone: an evaluation beside training may still be running
            return evaluate_network(actor, self.settings, episodes=episodes, threads=2, on_step=on_step).summary()
        return None

"""Tabular learning as a `training.run.Run`: the main loop, in one process."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.evaluation.protocol import beside
from agents.tabular.charts import CHARTS, COLUMNS, RESULTS, draw_curve, exact_row
from agents.tabular.evaluate import evaluate_tabular, judged
from agents.tabular.learner import Indices, TabularLearner, state_index
from agents.tabular.maps import value_maps
from agents.tabular.optimum import optimum_of
from agents.tabular.settings import TabularSettings
from envs import make_env
from envs.base import EnvSettings
from training.run import About, Clock, Closing, Picture, Record
from training.search import Judgement
from training.settings import flat, to_dict
from training.storage import checkpoint

EPISODES = 100  # of the closing evaluation
JUDGED = 20  # episodes of `judge`
GAMES = 100  # newest games in the mean training score
SAVED_EVERY = 1_000_000  # agent steps, not minutes: a checkpoint restarts the games, so its time must be deterministic
MOMENTS = 10  # most pictures of the table in a run


class TabularRun:
    """A learner, its envs, and its reports, checkpoints and evaluation; `defaults` are the preset's settings."""

    def __init__(self, settings: TabularSettings, defaults: TabularSettings, folder: Path) -> None:
        self.settings, self.seconds = settings, 0.0
        self.env = make_env(EnvSettings(id=settings.env), settings.num_envs)
        self.learner = TabularLearner(settings, np.empty((0, self.env.spec.num_actions)))
        self.agent_steps = self.frames = self.episodes = 0
        self.recent: deque[float] = deque(maxlen=GAMES)  # scores of training games, exploration included
        self.unread: list[Record] = []
        self.drawn = 0  # agent steps at the newest picture
        self.restart()
        self.optimum = optimum_of(settings)
        values = flat(settings)
        self.about = About(
            title=settings.env,
            columns=COLUMNS,
            minutes=1e9,
            checkpoint_minutes=5.0,
            settings=values,
            compared=values,
            defaults=flat(defaults),
            results=RESULTS,
            charts=CHARTS,
            checkpoint_every=SAVED_EVERY,
        )

    def restart(self) -> None:
        """Reset the envs, seeded by run seed and agent steps: the state of an env cannot be saved in a checkpoint."""
        self.state = state_index(self.env.reset(self._seed()).frame)
        self.action: Indices | None = None  # for SARSA: the next action, chosen before the last update
        self.score = np.zeros(self.settings.num_envs)

    @property
    def clock(self) -> Clock:
        """Progress in agent steps over all envs."""
        return Clock("agent_steps", self.agent_steps, self.settings.steps)

    @property
    def epsilon(self) -> float:
        """Probability of a random action, annealed linearly; 1 for algorithm "random"."""
        if self.settings.algorithm == "random":
            return 1.0
        done = self.agent_steps / self.settings.steps
        return self.settings.epsilon + done * (self.settings.final_epsilon - self.settings.epsilon)

    def step(self, until: int) -> None:
        """Run the main loop (act, step, update) until the next report is due or `until` is reached."""
        due, on_policy = self.agent_steps + self.settings.report_every, self.settings.algorithm == "sarsa"
        while self.agent_steps < min(due, until):
            epsilon = self.epsilon
            action = self.learner.act(self.state, epsilon) if self.action is None else self.action
            step = self.env.step(action)
            next_state = state_index(step.frame)
            self.action = self.learner.act(next_state, epsilon) if on_policy else None
            self.learner.update(self.state, action, step, self.action)
            self.state = next_state
            self.agent_steps += int((~step.first).sum())
            self.frames += int(step.frames.sum())
            self.score += step.reward
            ended = step.terminated | step.truncated
            self.episodes += int(ended.sum())
            self.recent.extend(self.score[ended].tolist())
            self.score[ended] = 0.0
        self._note(epsilon)

    def _note(self, epsilon: float) -> None:
        scalars: dict[str, float] = {"acting/epsilon_mean": epsilon}
        row: dict[str, float] = {"frames": self.frames, "updates": self.agent_steps}
        if self.recent:
            scalars["score_while_training/all_lanes"] = row["all_lanes"] = float(np.mean(self.recent))
        if self.optimum is not None:
            exact = exact_row(self.optimum.gap(self.learner.q))
            scalars |= {f"exact/{name}": value for name, value in exact.items()}
            row |= exact
        self.unread.append(Record(self.agent_steps, scalars, row))

    def goal_reached(self) -> bool:
        """Return False: training uses all of its steps."""
        return False

    def records(self) -> list[Record]:
        """Return the records since the last call, one for each call of `step`."""
        records, self.unread = self.unread, []
        return records

    def distributions(self) -> dict[str, NDArray[Any]]:
        """Return all values of the table."""
        return {"q": self.learner.q.ravel()} if self.learner.q.size else {}

    def pictures(self) -> list[Picture]:
        """Return maps of the learned and the optimal values, at most ten times a run."""
        now, end = self.clock.now, self.clock.end
        if self.optimum is None or now - self.drawn < (1 if now >= end else end / MOMENTS):
            return []
        self.drawn = now
        return value_maps(self.settings.env, self.learner.q, self.optimum, now)

    def line(self) -> str:
        """Return the mean score of the newest training games, and epsilon, for the live line."""
        shown = f"score {np.mean(self.recent):.1f}" if self.recent else "no finished game yet"
        return f"{shown}  epsilon {self.epsilon:.3f}"

    def judge(self) -> Judgement:
        """Return the mean score of 20 greedy games, on other seeds than the closing evaluation."""
        return Judgement(float(evaluate_tabular(self.learner.q, beside(self.settings), JUDGED).scores.mean()), {})

    def finish(self) -> None:
        """Do nothing."""

    def evaluate(self, on_step: Callable[[float], None]) -> Closing:
        """Evaluate the table by 100 greedy games and, if the optimum is known, exactly."""
        result, said = judged(self.learner.q, self.settings, self.optimum, EPISODES, on_step)
        return Closing(result["mean"], said, result)

    def summary(self) -> dict[str, Any]:
        """Return counters and seed; every step is learned from once."""
        counters = {"frames": self.frames, "updates": self.agent_steps, "episodes": self.episodes}
        return {**counters, "samples_per_insert": 1.0, "seed": self.settings.seed}

    def draw_curve(self, table: Path, picture: Path) -> None:
        """Plot scores, exact returns and errors over agent steps."""
        draw_curve(table, picture, f"{self.settings.env}, {self.settings.algorithm}, seed {self.settings.seed}")

    def save(self, folder: Path) -> Path:
        """Write a checkpoint and restart the games, as `load` does."""
        counters = {"agent_steps": self.agent_steps, "frames": self.frames, "episodes": self.episodes}
        kept = {"settings": to_dict(self.settings), "seconds": self.seconds, "recent": list(self.recent)}
        path = checkpoint.save_next(folder, self.agent_steps, {**kept, **self.learner.state(), **counters})
        self.restart()
        return path

    def load(self, path: Path) -> None:
        """Restore the run from a checkpoint; training continues bit for bit.

        Raises:
            CheckpointError: it holds no table, or is of an old version without what training needs.
        """
        state = checkpoint.load(path)
        try:
            self.learner.load_state(state)
            for name in ("agent_steps", "frames", "episodes", "seconds"):
                setattr(self, name, state[name])
            self.recent.extend(state["recent"])
        except KeyError as error:
            raise checkpoint.CheckpointError(f"{path} holds no table to train on with", "train it anew") from error
        self.restart()

    def _seed(self) -> int:
        seeds = np.random.SeedSequence([self.settings.seed, self.agent_steps])
        return int(seeds.generate_state(1)[0] >> 3)

    def close(self) -> None:
        """Free the envs."""
        self.env.close()


def check(settings: TabularSettings) -> int:
    """Raise a ValueError unless the env has numbered states; return 0, the bytes to reserve for replay."""
    env = make_env(EnvSettings(id=settings.env), 1)
    try:
        state_index(env.reset(0).frame)
    finally:
        env.close()
    return 0

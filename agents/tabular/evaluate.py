"""A table, judged: by greedy games, and exactly where the game tells its transitions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.acting.policy import Acted, Explore
from agents.evaluation.evaluate import Scores, envs_for, evaluate, summary_line
from agents.evaluation.protocol import JudgeOptions, protocol_name
from agents.settings import EvaluationSettings
from agents.tabular.learner import TabularLearner, state_index
from agents.tabular.mdp import Table
from agents.tabular.optimum import Optimum, optimum_of
from agents.tabular.settings import TabularSettings
from envs import make_env
from envs.base import EnvSettings
from training.settings import from_dict
from training.storage import checkpoint
from training.storage.resume import read_newest
from training.storage.run_dir import RunDir


class TablePolicy:
    """The action of the highest value in a learner's table."""

    def __init__(self, learner: TabularLearner) -> None:
        self.learner = learner

    def start(self, num_envs: int) -> None:
        """A state says everything: nothing is carried along."""

    def act(self, frame: NDArray[Any], first: NDArray[np.bool_], carry: None, explore: Explore | None) -> Acted:
        """Frames [E, 1, D] of numbered states; see `agents.acting.policy.Policy`. The first of equal actions wins."""
        values = self.learner.values(state_index(frame[:, 0]))
        return Acted(values.argmax(axis=1), None, frame, values)


def evaluate_tabular(
    q: Table, settings: TabularSettings, episodes: int, on_step: Callable[[int], None] = lambda done: None
) -> Scores:
    """Play `episodes` whole games greedily by `q` [S, A], as many in every env, on seeds of their own.

    `on_step` is told after every step how many games are done.
    """
    policy, rules = TablePolicy(TabularLearner(settings, q)), EvaluationSettings(protocol="training")
    env = make_env(EnvSettings(id=settings.env), envs_for(episodes))
    try:
        return evaluate(policy, env, rules, episodes=episodes, seed=settings.seed, on_step=on_step)
    finally:
        env.close()


def judged(
    q: Table, settings: TabularSettings, optimum: Optimum | None, episodes: int, on_step: Callable[[float], None]
) -> tuple[dict[str, Any], str]:
    """Greedy games by `q` [S, A] and what is known exactly of it, for a record -> that, and in a line."""

    def done(games: int) -> None:
        on_step(games / episodes)

    result = evaluate_tabular(q, settings, episodes, done).summary()
    said = summary_line(result)
    if optimum is not None:
        gap = optimum.gap(q)
        result["exact"] = gap._asdict()
        said += f"; exact return {gap.greedy_return:.3f}, optimal {gap.optimal_return:.3f}"
    return result, said


def evaluate_run(
    directory: RunDir, record: dict[str, Any], options: JudgeOptions, on_step: Callable[[float], None]
) -> tuple[dict[str, Any], str, str]:
    """Greedy games by a saved table -> the result, its name as a file, and in a line."""
    settings = from_dict(TabularSettings, record["settings"])
    path, saved = read_newest(directory, read_table)
    result, said = judged(saved["q"], settings, optimum_of(settings), options.episodes, on_step)
    counters = {name: saved[name] for name in ("agent_steps", "frames")}
    return {**result, **counters, "checkpoint": str(path)}, protocol_name(result["protocol"]), said


def read_table(path: Path) -> dict[str, Any]:
    """The checkpoint `path`: the table q [S, A], counters and more.

    Raises:
        CheckpointError: it is damaged, or it holds no table.
    """
    saved = checkpoint.load(path)
    if "q" not in saved:
        raise checkpoint.CheckpointError(f"{path} holds no table", "give a run of `train taxi`")
    return saved

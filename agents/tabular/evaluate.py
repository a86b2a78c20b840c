"""Evaluation of a table: by greedy games, and exactly if the transitions of the game are known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.acting.policy import Explore, PolicyOutput
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
    """Greedy policy of a learner's table."""

    def __init__(self, learner: TabularLearner) -> None:
        self.learner = learner

    def start(self, num_envs: int) -> None:
        """Return no carry: the policy depends on the current state only."""

    def act(self, frame: NDArray[Any], first: NDArray[np.bool_], carry: None, explore: Explore | None) -> PolicyOutput:
        """Act greedily on frames [E, 1, D] of numbered states; ties go to the first action. `explore` is ignored."""
        values = self.learner.values(state_index(frame[:, 0]))
        return PolicyOutput(values.argmax(axis=1), None, frame, values)


def evaluate_tabular(
    q: Table, settings: TabularSettings, episodes: int, on_step: Callable[[int], None] = lambda done: None
) -> Scores:
    """Play `episodes` whole games greedily by `q` [S, A], the same number in every env, with evaluation seeds.

    `on_step` is called after every step with the number of finished games.
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
    """Evaluate `q` [S, A] by greedy games and, given an `optimum`, exactly -> the result, and a line of text."""

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
    """Evaluate the newest saved table of a run -> the result, its protocol as a file name, and a line of text."""
    settings = from_dict(TabularSettings, record["settings"])
    path, saved = read_newest(directory, read_table)
    result, said = judged(saved["q"], settings, optimum_of(settings), options.episodes, on_step)
    counters = {name: saved[name] for name in ("agent_steps", "frames")}
    return {**result, **counters, "checkpoint": str(path)}, protocol_name(result["protocol"]), said


def read_table(path: Path) -> dict[str, Any]:
    """Read the checkpoint `path`: the table q [S, A], counters and more.

    Raises:
        CheckpointError: it is damaged, or it holds no table.
    """
    saved = checkpoint.load(path)
    if "q" not in saved:
        raise checkpoint.CheckpointError(f"{path} holds no table", "give a run of `train taxi`")
    return saved

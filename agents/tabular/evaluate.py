"""A saved table, judged again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from agents.evaluation.evaluate import summary_line
from agents.evaluation.protocol import JudgeOptions, protocol_name
from agents.tabular.q_learning import evaluate_tabular
from agents.tabular.settings import TabularSettings
from training.settings import from_dict
from training.storage import checkpoint
from training.storage.resume import read_newest
from training.storage.run_dir import RunDir


def evaluate_run(
    directory: RunDir, record: dict[str, Any], options: JudgeOptions, on_step: Callable[[float], None]
) -> tuple[dict[str, Any], str, str]:
    """Greedy games by a saved table -> the result, its name as a file, and in a line."""
    settings = from_dict(TabularSettings, record["settings"])
    path, saved = read_newest(directory, read_table)

    def done(games: int) -> None:
        on_step(games / options.episodes)

    scores = evaluate_tabular(saved["q"], settings, options.episodes, done)
    counters = {name: saved[name] for name in ("agent_steps", "frames")}
    result = {**scores.summary(), **counters, "checkpoint": str(path)}
    return result, protocol_name(result["protocol"]), summary_line(result)


def read_table(path: Path) -> dict[str, Any]:
    """The checkpoint `path`: the table q [S, A], counters and more.

    Raises:
        CheckpointError: it is damaged, or it holds no table.
    """
    saved = checkpoint.load(path)
    if "q" not in saved:
        raise checkpoint.CheckpointError(f"{path} holds no table", "give a run of `train taxi`")
    return saved

"""CrossQ as a run that a session drives: the run of deep Q-learning, with other parts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from agents.dqn.run import DqnRun
from agents.dqn.serial import SerialLoop
from agents.evaluation.judged import evaluate_saved
from agents.evaluation.protocol import JudgeOptions
from agents.sac.settings import SacSettings
from training.settings import from_dict
from training.storage.run_dir import RunDir


def make_run(settings: SacSettings, preset: str, folder: Path) -> DqnRun:
    """CrossQ in this process."""
    return DqnRun(SerialLoop(settings), settings, preset, serial=True)


def evaluate_run(
    directory: RunDir, record: dict[str, Any], options: JudgeOptions, on_step: Callable[[float], None]
) -> tuple[dict[str, Any], str, str]:
    """Whole episodes by the newest checkpoint of a run -> the result, its name as a file, and in a line."""
    return evaluate_saved(from_dict(SacSettings, record["settings"]), directory, record, options, on_step)

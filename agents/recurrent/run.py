"""Recurrent deep Q-learning as a run that a session drives, in this process; a fleet makes its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from agents.dqn.run import DqnRun
from agents.dqn.serial import SerialLoop
from agents.evaluation.judged import evaluate_saved
from agents.evaluation.protocol import JudgeOptions
from agents.recurrent.settings import RecurrentSettings
from training.settings import from_dict
from training.storage.run_dir import RunDir


def make_run(settings: RecurrentSettings, preset: str, folder: Path) -> DqnRun:
    """The loop of deep Q-learning around the parts that the settings name."""
    return DqnRun(SerialLoop(settings), settings, preset, serial=True)


def evaluate_run(
    directory: RunDir, record: dict[str, Any], options: JudgeOptions, on_step: Callable[[float], None]
) -> tuple[dict[str, Any], str, str]:
    """Whole games by the newest checkpoint of a run -> the result, its name as a file, and in a line."""
    return evaluate_saved(from_dict(RecurrentSettings, record["settings"]), directory, record, options, on_step)

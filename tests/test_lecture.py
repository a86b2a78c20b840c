"""The page on the lecture: every linked file exists, every command parses, every kind of training has a row."""

from __future__ import annotations

import re
import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from cluster.cli.arguments import parse
from cluster.cli.train import Train
from cluster.workloads import WORKLOADS, workload_of

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "lecture.md"
LINES = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and not line.startswith("| concept")]
ROWS = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in LINES]
COMMANDS = re.findall(r"`(quarterdeck train [^`]+)`", PAGE.read_text())


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)", PAGE.read_text())
    assert len(links) > 2 * len(ROWS)
    assert [link for link in links if not (PAGE.parent / link).exists()] == []


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_a_row_names_what_is_there(row: list[str]) -> None:
    """A row has a file, a command, its result, the date and commit, and a test; the modules in its command exist."""
    assert len(row) == 6
    assert all(row)
    assert re.fullmatch(r"20\d\d-\d\d-\d\d, `[0-9a-f]{7}`", row[4])
    assert "../tests/" in row[5]
    for module in re.findall(r"`python -m ([\w.]+)", row[2]):
        assert find_spec(module)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_parses(command: str) -> None:
    _, _, preset, *options = shlex.split(command)
    work = workload_of(preset)
    kind: Any = Train[work.load("settings")]  # type: ignore[misc]
    settings = parse(kind, options, preset, Train(settings=work.default(preset))).settings
    assert isinstance(settings, work.load("settings"))


def test_every_kind_of_training_has_a_row() -> None:
    """The commands on the page cover every kind, with at least one preset each."""
    assert {workload_of(command.split()[2]).name for command in COMMANDS} == WORKLOADS.keys()

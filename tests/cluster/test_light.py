"""What a command loads: help nothing heavy, and what needs no Ray none of it. In fresh interpreters."""

from __future__ import annotations

import json
import shutil
from importlib import import_module
from pathlib import Path

import pytest

from cluster.cli.commands import COMMANDS
from cluster.workloads import WORKLOADS
from tests.cluster.gan_helpers import TINY_GAN, copy_corners
from tests.cluster.helpers import TINY_CATCH, run_program
from training.entry import load_entry
from training.settings import flat

HEAVY = {"ray", "torch", "numpy", "matplotlib", "tensorboard", "gymnasium"}
PROGRAM = """
import importlib, json, sys
from cluster.cli.main import main
def done(words):
    if words[0] != "import":
        return main(words)
    importlib.import_module(words[1])
    return 0
def after(words):
    try:
        status = done(words)
    except SystemExit as stopped:
        status = stopped.code or 0
    return [status, sorted({name.split(".")[0] for name in sys.modules}), "torch._dynamo" in sys.modules]
print(json.dumps([after(words) for words in json.loads(sys.argv[1])]))
"""
RAY = {"sweep", "ablation", "submit", "jobs", "logs", "stop"}  # that cannot work without


def one_after_the_other(*commands: list[str]) -> list[tuple[int, set[str], bool]]:
    """Of each its status, the packages that a fresh interpreter then holds, and whether torch's compiler is there."""
    done = run_program(PROGRAM, json.dumps(commands))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    return [(status, set(packages), compiler) for status, packages, compiler in told]


def loaded(*arguments: str, status: int = 0) -> set[str]:
    """Packages that a fresh interpreter holds once it has run a command to its end."""
    [(ended, packages, _)] = one_after_the_other([*arguments])
    assert ended == status
    assert "cluster" in packages
    return packages


@pytest.mark.parametrize("words", ["--help", "train --help", "sweep -h", "fly", "train chess", "sweep chess", "gan"])
def test_help_and_unknown_names_load_no_library_at_all(words: str) -> None:
    status = 0 if "-h" in words else 2
    assert loaded(*words.split(), status=status) & {*HEAVY, "tyro"} == set()


def test_help_and_mistakes_without_a_preset_load_the_parser_alone() -> None:
    """Also a mistake in the arguments is told before anything heavy is imported."""
    commands = [name for name, row in COMMANDS.items() if row.options and name != "ablation"]
    asked = [[command, option] for command in commands for option in ("--help", "--no-such-option")]
    told = [(status, packages & HEAVY) for status, packages, _ in one_after_the_other(*asked)]
    assert told == [(0, set()), (2, set())] * len(commands)


def test_help_is_given_and_runs_are_made_and_read_without_ray(tmp_path: Path, catch_run: Path, corners: Path) -> None:
    """One command after the other: none of them leaves it behind, or torch's compiler, but for what it compiles.

    First help that lists settings, then their modules with all that these import in their turn.
    """
    run = str(shutil.copytree(catch_run, tmp_path / "run"))
    serial = ["train", "atari", *TINY_CATCH, "--serial", "--steps", "300", "--run-dir", str(tmp_path / "serial")]
    gan = [f"--data={copy_corners(corners, tmp_path)}", *TINY_GAN]
    helps = ["train taxi -h", "train pong --help", "train digits --help", "ablation --help"]
    commands = [
        *(words.split() for words in helps),
        *(["import", row.run.split(":")[0]] for command, row in COMMANDS.items() if command not in RAY),
        serial,
        ["train", "taxi", "--steps", "2000", "--run-dir", str(tmp_path / "taxi")],
        ["train", "own", *gan, "--training.images", "64", "--run-dir", str(tmp_path / "gan")],
        ["train", "pong", "--dry-run"],
        ["train", "digits", "--dry-run"],
        ["evaluate", run, "--episodes", "3"],
        ["report", run, str(tmp_path / "serial"), "--out", str(tmp_path / "report")],
        ["watch", run, "--out", str(tmp_path / "game.mp4")],
        ["export", run, "--out", str(tmp_path / "policy"), "--format", "program"],
    ]
    told = [(status, "ray" in packages, compiler) for status, packages, compiler in one_after_the_other(*commands)]
    assert told == [(0, False, words[0] == "export") for words in commands]


def test_the_table_names_what_is_there() -> None:
    """Presets stand in it as data; every entry point and every class of arguments exists."""
    for work in WORKLOADS.values():
        assert tuple(work.load("table")) == work.presets
        for entry in filter(None, (work.check, work.make_run, work.evaluate, work.adapt, work.share)):
            assert callable(load_entry(entry))
        known = flat(work.default(work.presets[0]))
        assert {work.end, *work.ends, *work.endless, *work.in_trials} <= known.keys()
    for row in COMMANDS.values():
        for entry in filter(None, (row.run, row.options)):
            module, name = entry.split(":")
            assert callable(getattr(import_module(module), name))
        assert bool(row.options) is not bool(row.presets)

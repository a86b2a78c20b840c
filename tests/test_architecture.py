"""The house rules: what a room may import, how long files and functions may be, documented public names."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FORBIDDEN = {
    "training": {"ray", "envs", "agents", "gan", "cluster"},
    "envs": {"torch", "ray", "training", "agents", "gan", "cluster"},
    "agents": {"ray", "gan", "cluster"},
    "gan": {"ray", "envs", "agents", "cluster"},
    "cluster": set[str](),
}
REQUIRED_ROOMS = ["training", "envs", "agents", "gan", "cluster"]
MAX_FILE_LINES = 220
MAX_FUNCTION_LINES = 60

Function = ast.FunctionDef | ast.AsyncFunctionDef


def files_of(*folders: str) -> list[Path]:
    """Python files of the folders that exist, those beneath included."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def all_files() -> list[Path]:
    """All Python files of the project."""
    return files_of(*FORBIDDEN, "benchmarks", "tests")


def name_of(path: Path) -> str:
    """How a file is called in a failure."""
    return str(path.relative_to(ROOT))


def imports(source: str) -> set[str]:
    """Top-level packages that `source` imports anywhere, in functions and under TYPE_CHECKING too."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
    return found


def long_functions(source: str) -> list[str]:
    """Names and lengths of functions over the limit, decorators and docstring counted."""
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, Function)]
    lengths = {node: (node.end_lineno or node.lineno) - node.lineno + 1 for node in functions}
    return [f"{node.name}: {lines} lines" for node, lines in lengths.items() if lines > MAX_FUNCTION_LINES]


def undocumented(source: str) -> list[str]:
    """The public names at the top of a module that have no docstring; the module itself is "module"."""
    tree = ast.parse(source)
    names = [node for node in tree.body if isinstance(node, Function | ast.ClassDef)]
    missing = [node.name for node in names if node.name[0] != "_" and not ast.get_docstring(node)]
    return missing if ast.get_docstring(tree) else ["module", *missing]


def test_the_rules_can_fail() -> None:
    """The three readers above see what they are meant to see."""
    assert imports("def f():\n    from ray.tune import Tuner\n    import torch.nn") == {"ray", "torch"}
    assert imports("from . import base\nfrom envs.base import World") == {"envs"}
    assert long_functions("class A:\n    def f(self):\n" + "        x = 1\n" * 60) == ["f: 61 lines"]
    assert long_functions("def f():\n" + "    x = 1\n" * 59) == []
    assert undocumented("class A: ...\ndef _f(): ...\ndef g():\n    '''Doc.'''") == ["module", "A"]


@pytest.mark.parametrize("room", REQUIRED_ROOMS)
def test_rooms_are_there(room: str) -> None:
    """Without files the other tests of this module would prove nothing."""
    assert (ROOT / room / "__init__.py") in files_of(room)


@pytest.mark.parametrize("room", FORBIDDEN)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    """Arrows point down: only cluster/ imports Ray, nothing imports cluster/, training/ imports none of the others."""
    broken = {name_of(path): imports(path.read_text()) & FORBIDDEN[room] for path in files_of(room)}
    assert {path: packages for path, packages in broken.items() if packages} == {}


def test_files_are_short() -> None:
    """A file is read in one sitting."""
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in all_files()}
    assert {path: lines for path, lines in lengths.items() if lines > MAX_FILE_LINES} == {}


def test_functions_fit_one_screen() -> None:
    """A function is seen at once."""
    found = {name_of(path): long_functions(path.read_text()) for path in all_files()}
    assert {path: functions for path, functions in found.items() if functions} == {}


def test_public_names_are_documented() -> None:
    """Every module, and every public class and function at its top, has a docstring."""
    found = {name_of(path): undocumented(path.read_text()) for path in files_of(*FORBIDDEN, "benchmarks")}
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize("room", ["training", "envs", "agents", "gan"])
def test_importing_a_room_loads_nothing_heavy(room: str) -> None:
    """Also through other libraries: all modules of the room, in a fresh interpreter, leave Ray out."""
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files_of(room)]
    program = f"""
import importlib, json, sys
for module in {modules!r}:
    importlib.import_module(module)
print(json.dumps([*sys.modules]))
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert loaded & FORBIDDEN[room] == set()

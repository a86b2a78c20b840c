"""The rules: what a package may import, how long files and functions may be, documented public names."""

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
    "envs": {"torch", "ray", "agents", "gan", "cluster"},
    "agents": {"ray", "gan", "cluster"},
    "gan": {"ray", "envs", "agents", "cluster"},
    "cluster": set[str](),
}
BENEATH = {  # of packages that lie side by side, those that each may import
    "cluster/jobs": set[str](),
    "cluster/rllib": set[str](),
    "cluster/fleet": {"cluster/rllib"},
    "cluster/tuning": {"cluster/fleet", "cluster/rllib"},
    "cluster/cli": {"cluster/jobs", "cluster/rllib", "cluster/fleet", "cluster/tuning"},
    **{f"gan/{parts.parent.name}": {"gan/standard"} for parts in sorted((ROOT / "gan").glob("*/parts.py"))},
}
MAX_FILE_LINES = 220
MAX_FUNCTION_LINES = 60
MAX_MODULES = 20

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


def modules(path: Path) -> set[str]:
    """Our modules that a file imports anywhere, by dotted name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            inner = {f"{node.module}.{name.name}" for name in node.names}
            found |= {name for name in inner if source_of(name).exists()} or {node.module}
    return {name for name in found if name.split(".")[0] in FORBIDDEN}


def source_of(module: str) -> Path:
    """Where a module's source lies, if it is one of ours and no package."""
    return ROOT.joinpath(*module.split(".")).with_suffix(".py")


def circle(arrows: dict[str, set[str]]) -> list[str]:
    """Names that lead back to the first of them; empty where there is no way back."""
    left = dict(arrows)
    while ends := [name for name, targets in left.items() if not targets & left.keys()]:
        for name in ends:
            del left[name]
    if not left:
        return []
    way = [min(left)]
    while way[-1] not in way[:-1]:
        way.append(min(left[way[-1]] & left.keys()))
    return way[way.index(way[-1]) :]


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
    """The readers above see what they are meant to see."""
    assert circle({"a": {"b"}, "b": {"c", "e"}, "c": {"b"}, "d": {"a"}}) == ["b", "c", "b"]
    assert circle({"a": {"b"}, "b": {"c"}, "d": {"a"}}) == []
    assert modules(ROOT / "cluster" / "__main__.py") == {"cluster.cli.main"}
    assert imports("def f():\n    from ray.tune import Tuner\n    import torch.nn") == {"ray", "torch"}
    assert imports("from . import base\nfrom envs.base import BatchedEnv") == {"envs"}
    assert long_functions("class A:\n    def f(self):\n" + "        x = 1\n" * 60) == ["f: 61 lines"]
    assert long_functions("def f():\n" + "    x = 1\n" * 59) == []
    assert undocumented("class A: ...\ndef _f(): ...\ndef g():\n    '''Doc.'''") == ["module", "A"]


@pytest.mark.parametrize("name", FORBIDDEN)
def test_packages_are_there(name: str) -> None:
    """Without files the other tests of this module would prove nothing."""
    assert (ROOT / name / "__init__.py") in files_of(name)


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_package_imports_only_what_it_may(name: str) -> None:
    """Arrows point down: only cluster/ imports Ray, nothing imports cluster/, training/ imports none of the others."""
    broken = {name_of(path): imports(path.read_text()) & FORBIDDEN[name] for path in files_of(name)}
    assert {path: packages for path, packages in broken.items() if packages} == {}


def test_environments_know_little_of_trainings() -> None:
    """What an env takes from training/ are settings, names to import and messages."""
    taken = {name for path in files_of("envs") for name in modules(path) if name.startswith("training.")}
    assert taken == {"training.settings", "training.entry", "training.messages"}


def test_no_module_imports_itself_by_a_detour() -> None:
    """Imports in functions count: a circle that is hidden in one is a circle."""
    arrows = {".".join(path.relative_to(ROOT).with_suffix("").parts): modules(path) for path in files_of(*FORBIDDEN)}
    assert circle(arrows) == []


@pytest.mark.parametrize("package", BENEATH)
def test_a_package_imports_only_those_beneath(package: str) -> None:
    """What the cluster does knows no command; of families of GANs, each may be built on the standard one alone."""
    broken = {name_of(path): _packages(path) - BENEATH[package] - {package} for path in files_of(package)}
    assert broken
    assert {path: packages for path, packages in broken.items() if packages} == {}


def test_nothing_imports_the_command_line() -> None:
    """But for the module that is run."""
    others = [path for path in files_of(*FORBIDDEN) if path.parent != ROOT / "cluster" / "cli"]
    assert [name_of(path) for path in others if "cluster/cli" in _packages(path)] == ["cluster/__main__.py"]


def test_the_command_line_names_no_ray() -> None:
    """A command asks the package that does the work."""
    assert [name_of(path) for path in files_of("cluster/cli") if "ray" in imports(path.read_text())] == []


def _packages(path: Path) -> set[str]:
    return BENEATH.keys() & {"/".join(name.split(".")[:2]) for name in modules(path)}


def test_files_are_short() -> None:
    """A file is read in one sitting."""
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in all_files()}
    assert {path: lines for path, lines in lengths.items() if lines > MAX_FILE_LINES} == {}


def test_folders_are_small() -> None:
    """What stands in a folder is seen at once."""
    modules = [path.parent for path in files_of(*FORBIDDEN) if path.name != "__init__.py"]
    assert {name_of(folder): n for folder in set(modules) if (n := modules.count(folder)) > MAX_MODULES} == {}


def test_functions_fit_one_screen() -> None:
    """A function is seen at once."""
    found = {name_of(path): long_functions(path.read_text()) for path in all_files()}
    assert {path: functions for path, functions in found.items() if functions} == {}


def test_public_names_are_documented() -> None:
    """Every module, and every public class and function at its top, has a docstring."""
    found = {name_of(path): undocumented(path.read_text()) for path in files_of(*FORBIDDEN, "benchmarks")}
    assert {path: names for path, names in found.items() if names} == {}


def loaded_after(*imported: list[Path]) -> list[set[str]]:
    """What one fresh interpreter has loaded after importing the first of these lists, then the next one, and so on."""
    modules = [[".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files] for files in imported]
    program = f"""
import importlib, json, sys
after = lambda name: importlib.import_module(name) and [*sys.modules]
print(json.dumps([[after(name) for name in names][-1] for names in {modules!r}]))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [set(names) for names in json.loads(done.stdout.splitlines()[-1])]


@pytest.mark.parametrize("name", ["envs", "gan"])
def test_importing_a_package_loads_nothing_heavy(name: str) -> None:
    """Also through other libraries: all modules of the package, in a fresh interpreter, leave Ray out."""
    [loaded] = loaded_after(files_of(name))
    assert loaded & FORBIDDEN[name] == set()


def test_training_and_agents_load_no_ray_and_only_the_driver_and_learners_load_rllib() -> None:
    """Runners, shards, the evaluation and the weight store come up without it, or what draws: a second, 120 MB each."""
    names = ("runner", "on_policy_runner", "replay", "evaluator", "weights")
    workers = [ROOT / f"cluster/fleet/{name}.py" for name in names]
    training, agents, fleet = loaded_after(files_of("training"), files_of("agents"), workers)
    assert training & FORBIDDEN["training"] == set()
    assert agents & FORBIDDEN["agents"] == set()
    assert "ray" in fleet
    assert fleet & {"ray.rllib", "matplotlib"} == set()

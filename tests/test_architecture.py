"""The rules: imports between packages, lengths of files and functions, documented public names."""

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
BENEATH = {  # for packages side by side, those that each may import
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
    """Return the Python files of the folders that exist, with those in subfolders."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def all_files() -> list[Path]:
    """Return all Python files of the project."""
    return files_of(*FORBIDDEN, "benchmarks", "tests")


def name_of(path: Path) -> str:
    """Return a file's name for failures."""
    return str(path.relative_to(ROOT))


def imports(source: str) -> set[str]:
    """Return the top-level packages that `source` imports anywhere, in functions and under TYPE_CHECKING too."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
    return found


def modules(path: Path) -> set[str]:
    """Return our modules that a file imports anywhere, by dotted name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            inner = {f"{node.module}.{name.name}" for name in node.names}
            found |= {name for name in inner if source_of(name).exists()} or {node.module}
    return {name for name in found if name.split(".")[0] in FORBIDDEN}


def source_of(module: str) -> Path:
    """Return the path of a module's source, if it is one of ours and no package."""
    return ROOT.joinpath(*module.split(".")).with_suffix(".py")


def circle(arrows: dict[str, set[str]]) -> list[str]:
    """Return a cycle of names, the first one again at the end; empty if there is none."""
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
    """Return names and lengths of functions over the limit, docstrings counted, decorators not."""
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, Function)]
    lengths = {node: (node.end_lineno or node.lineno) - node.lineno + 1 for node in functions}
    return [f"{node.name}: {lines} lines" for node, lines in lengths.items() if lines > MAX_FUNCTION_LINES]


def undocumented(source: str) -> list[str]:
    """Return the public names at the top of a module that have no docstring; the module itself is "module"."""
    tree = ast.parse(source)
    names = [node for node in tree.body if isinstance(node, Function | ast.ClassDef)]
    missing = [node.name for node in names if node.name[0] != "_" and not ast.get_docstring(node)]
    return missing if ast.get_docstring(tree) else ["module", *missing]


def test_the_rules_can_fail() -> None:
    """The functions above find what they should."""
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
    """Every package has files, without which the other tests of this module would prove nothing."""
    assert (ROOT / name / "__init__.py") in files_of(name)


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_package_imports_only_what_it_may(name: str) -> None:
    """Only cluster/ imports Ray, nothing imports cluster/, training/ imports none of the others."""
    broken = {name_of(path): imports(path.read_text()) & FORBIDDEN[name] for path in files_of(name)}
    assert {path: packages for path, packages in broken.items() if packages} == {}


def test_environments_know_little_of_trainings() -> None:
    """Of training/, envs import only settings, names to import and messages."""
    taken = {name for path in files_of("envs") for name in modules(path) if name.startswith("training.")}
    assert taken == {"training.settings", "training.entry", "training.messages"}


def test_no_module_imports_itself_by_a_detour() -> None:
    """There is no cycle of imports, those in functions included."""
    arrows = {".".join(path.relative_to(ROOT).with_suffix("").parts): modules(path) for path in files_of(*FORBIDDEN)}
    assert circle(arrows) == []


@pytest.mark.parametrize("package", BENEATH)
def test_a_package_imports_only_those_beneath(package: str) -> None:
    """No package of the cluster imports the command line; a family of GANs imports only itself and the standard one."""
    broken = {name_of(path): _packages(path) - BENEATH[package] - {package} for path in files_of(package)}
    assert broken
    assert {path: packages for path, packages in broken.items() if packages} == {}


def test_nothing_imports_the_command_line() -> None:
    """Only `cluster/__main__.py`, the module that is run, imports the command line."""
    others = [path for path in files_of(*FORBIDDEN) if path.parent != ROOT / "cluster" / "cli"]
    assert [name_of(path) for path in others if "cluster/cli" in _packages(path)] == ["cluster/__main__.py"]


def test_the_command_line_names_no_ray() -> None:
    """No file of the command line imports Ray: the packages that do the work do."""
    assert [name_of(path) for path in files_of("cluster/cli") if "ray" in imports(path.read_text())] == []


def _packages(path: Path) -> set[str]:
    return BENEATH.keys() & {"/".join(name.split(".")[:2]) for name in modules(path)}


def test_files_are_short() -> None:
    """Every file has at most 220 lines."""
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in all_files()}
    assert {path: lines for path, lines in lengths.items() if lines > MAX_FILE_LINES} == {}


def test_folders_are_small() -> None:
    """Every folder has at most 20 modules."""
    modules = [path.parent for path in files_of(*FORBIDDEN) if path.name != "__init__.py"]
    assert {name_of(folder): n for folder in set(modules) if (n := modules.count(folder)) > MAX_MODULES} == {}


def test_functions_fit_one_screen() -> None:
    """Every function has at most 60 lines."""
    found = {name_of(path): long_functions(path.read_text()) for path in all_files()}
    assert {path: functions for path, functions in found.items() if functions} == {}


def test_public_names_are_documented() -> None:
    """Every module, and every public class and function at its top, has a docstring."""
    found = {name_of(path): undocumented(path.read_text()) for path in files_of(*FORBIDDEN, "benchmarks")}
    assert {path: names for path, names in found.items() if names} == {}


def loaded_after(*imported: list[Path]) -> list[set[str]]:
    """Return the modules that a fresh interpreter has loaded after each of these lists, imported in order."""
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
    """In a fresh interpreter all modules of the package load no forbidden one, also not through other libraries."""
    [loaded] = loaded_after(files_of(name))
    assert loaded & FORBIDDEN[name] == set()


def test_training_and_agents_load_no_ray_and_only_the_driver_and_learners_load_rllib() -> None:
    """Actors of a fleet start without RLlib and matplotlib, which would cost a second and 120 MB each."""
    names = ("runner", "on_policy_runner", "replay", "evaluator", "weights")
    workers = [ROOT / f"cluster/fleet/{name}.py" for name in names]
    training, agents, fleet = loaded_after(files_of("training"), files_of("agents"), workers)
    assert training & FORBIDDEN["training"] == set()
    assert agents & FORBIDDEN["agents"] == set()
    assert "ray" in fleet
    assert fleet & {"ray.rllib", "matplotlib"} == set()

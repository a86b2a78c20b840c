"""Installation: released versions only, the same in both files; a training needs no tools of tests."""

from __future__ import annotations

import fnmatch
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
NEEDED: list[str] = PYPROJECT["project"]["dependencies"]
ONLY_BETAS = {
    "opentelemetry-exporter-prometheus",
    "opentelemetry-semantic-conventions",
}  # dependencies of Ray, never released otherwise
EXTRAS: dict[str, list[str]] = PYPROJECT["project"]["optional-dependencies"]


def pins(lines: list[str]) -> dict[str, Version]:
    """Return name and version of every `name==version` line, without comments."""
    found = {}
    for requirement in (Requirement(line) for line in lines if not line.startswith("#")):
        [pin] = requirement.specifier
        assert pin.operator == "==", f"{requirement} is not pinned"
        found[requirement.name.lower()] = Version(pin.version)
    return found


LOCK = pins((ROOT / "requirements.lock").read_text().splitlines())


def test_the_lock_holds_releases_only() -> None:
    """Nightly builds vanish from the index, so an install that needs one could not be repeated."""
    assert [f"{name} {version}" for name, version in LOCK.items() if version.is_devrelease] == []
    assert {name for name, version in LOCK.items() if version.is_prerelease} <= ONLY_BETAS
    assert pins(["tfp-nightly==0.26.0.dev20261027"])["tfp-nightly"].is_devrelease


def test_what_the_project_names_is_locked_in_the_same_version() -> None:
    named = pins([*NEEDED, *(line for extra in EXTRAS.values() for line in extra)])
    del named["nvidia-ml-py"]  # dropped from the lock with torch's own GPU packages, pinned where it is named
    assert {name: LOCK.get(name) for name in named} == named


@pytest.mark.parametrize(
    ("target", "extras"),
    [
        ("install", []),
        ("train", []),
        ("test", ["dev"]),
        ("check", ["dev"]),
        ("lint", ["dev"]),
        ("types", ["dev"]),
        ("test-cluster", ["dev"]),
        ("bench", ["bench"]),
    ],
)
def test_a_target_installs_what_it_needs_and_no_more(target: str, extras: list[str], tmp_path: Path) -> None:
    """The packages that `make` would install where there is no environment yet."""
    command = ["make", "--dry-run", target, f"VENV={tmp_path / 'venv'}"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    installs = [line.split(" -e ")[1] for line in told.splitlines() if " -m pip install " in line]
    assert installs == [".", *(f"'.[{extra}]'" for extra in extras)]


@pytest.mark.parametrize(("minor", "served"), [(10, False), (11, True), (14, True), (15, False)])
def test_an_interpreter_without_wheels_is_named_in_one_line(minor: int, served: bool, tmp_path: Path) -> None:
    """A Python outside 3.11 to 3.14 is refused before any install; one inside only lacks its venv module."""
    python = tmp_path / "python"
    pretend = f"import sys; sys.version_info = (3, {minor}, 1); sys.modules['venv'] = None; exec(sys.argv[2])"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{pretend}" "$@"\n')
    python.chmod(0o755)
    words = ["make", "install", f"PYTHON={python}", f"VENV={tmp_path / 'venv'}"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    line = "cannot make virtual environments: install its venv" if served else "is not Python 3.11 to 3.14: install one"
    assert done.returncode == 2
    assert f"error: '{python}' {line}" in done.stderr
    assert not (tmp_path / "venv").exists()
    assert SpecifierSet(PYPROJECT["project"]["requires-python"]).contains(f"3.{minor}.1") is served


@pytest.mark.parametrize("package", ["envs", "agents", "gan"])
def test_a_package_carries_its_data(package: str) -> None:
    """Every file that is no Python matches a package-data pattern, and every pattern matches a file."""
    patterns = PYPROJECT["tool"]["setuptools"]["package-data"].get(package, [])
    files = [path.relative_to(ROOT / package) for path in (ROOT / package).rglob("*") if path.is_file()]
    data = [str(path) for path in files if path.suffix not in {".py", ".pyc"}]
    assert [name for name in data if not any(fnmatch.fnmatch(name, pattern) for pattern in patterns)] == []
    assert [pattern for pattern in patterns if not fnmatch.filter(data, pattern)] == []

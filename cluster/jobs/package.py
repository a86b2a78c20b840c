"""A job's runtime environment: working directory, variables and pinned dependencies."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import tomllib
from pathlib import Path
from typing import Any

from ray._private.ray_constants import DASHBOARD_CLIENT_MAX_SIZE, RAY_RUNTIME_ENV_IGNORE_GITIGNORE
from ray._private.runtime_env.packaging import _dir_travel, _get_excludes

SECRET_FILES = (".env", "*.pem", "*.key", "auth_token", "quarterdeck-token")
EXCLUDES = [
    ".git", ".venv", "venv", "__pycache__", "*.py[cod]", "*.egg-info", "/build", "/dist",
    ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis",
    "/runs", "*.mp4", "*.part", "*.part.*",
    *SECRET_FILES,  # all users of the cluster can read the package
]  # fmt: skip
SECRET = re.compile("TOKEN|KEY|SECRET|PASSW|CREDENTIAL", re.IGNORECASE)
ENTRY_BYTES = 30 + 46  # overhead of a file in a zip archive, without content and two copies of its name
LARGEST = 4  # number of largest files in the error


def runtime_env(folder: Path, commit: str, variables: tuple[str, ...], stop_seconds: int, *, install: bool) -> Any:
    """Return Ray's `runtime_env` of a job that runs in a copy of `folder`.

    Raises:
        ValueError: the folder is too large, a variable is a secret, or there is no lock file for `install`.
    """
    check_size(folder)
    env = {
        "QUARTERDECK_COMMIT": commit,  # .git is not sent
        "RAY_JOB_STOP_WAIT_TIME_S": str(stop_seconds),  # time between SIGTERM and SIGKILL
        **_variables(variables),
    }
    pip = {"pip": _pinned(folder)} if install else {}
    return {"working_dir": str(folder), "excludes": EXCLUDES, "env_vars": env, **pip}


def packed_sizes(folder: Path) -> dict[Path, int]:
    """Return the bytes of every file that Ray would send, by path; respects .gitignore and .rayignore."""
    sizes: dict[Path, int] = {}

    def add(path: Path) -> None:
        if path.is_file():
            sizes[path.relative_to(folder)] = path.stat().st_size

    quiet = logging.getLogger(f"{__name__}.quiet")
    quiet.setLevel(logging.ERROR)
    git = os.environ.get(RAY_RUNTIME_ENV_IGNORE_GITIGNORE, "0") != "1"
    _dir_travel(folder, [_get_excludes(folder, EXCLUDES)], add, include_gitignore=git, logger=quiet)
    return sizes


def check_size(folder: Path) -> None:
    """Check the size limit of the job server before the upload.

    Raises:
        ValueError: `folder` is no directory, or its uncompressed package is too large.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is no directory: name another --working-dir")
    sizes = packed_sizes(folder.absolute())
    total = sum(size + ENTRY_BYTES + 2 * len(os.fsencode(path)) for path, size in sizes.items())
    if total < DASHBOARD_CLIENT_MAX_SIZE:
        return
    offenders: dict[str, int] = {}
    for path, size in sizes.items():
        for name in {str(path), path.parts[0] + ("/" if len(path.parts) > 1 else "")}:
            offenders[name] = offenders.get(name, 0) + size
    worst = sorted(offenders.items(), key=lambda item: -item[1])[:LARGEST]
    raise ValueError(
        f"{folder} packs to {total / 2**20:.1f} MiB, and the job server takes less than "
        f"{DASHBOARD_CLIENT_MAX_SIZE >> 20} MiB: list in .rayignore what a job does not need; the largest are "
        + ", ".join(f"{name} ({size / 2**20:.1f} MiB)" for name, size in worst)
    )


def _variables(assignments: tuple[str, ...]) -> dict[str, str]:
    """Parse NAME=VALUE, ... to a dict. They are visible to everyone who can list jobs."""
    variables = {}
    for assignment in assignments:
        name, given, value = assignment.partition("=")
        if not name or not given:
            raise ValueError(f"--env {assignment}: write NAME=VALUE")
        if SECRET.search(name):
            raise ValueError(f"--env {name}: everybody who sees the job sees its variables, give secrets to the nodes")
        variables[name] = value
    return variables


def _pinned(folder: Path) -> dict[str, Any]:
    """Return the project's dependencies, pinned by requirements.lock, for installation on every node."""
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        lock = (folder / "requirements.lock").read_bytes()
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        raise ValueError(
            f"--install needs pyproject.toml and requirements.lock in {folder}: name the project's --working-dir"
        ) from None
    # Ray caches environments by the hash of these lines, which must change with the lock file.
    constraint = "-c ${RAY_RUNTIME_ENV_CREATE_WORKING_DIR}/requirements.lock"
    return {"packages": [*project["dependencies"], f"# lock {hashlib.sha256(lock).hexdigest()}", constraint]}

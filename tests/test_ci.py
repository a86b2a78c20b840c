"""`.ci/run` reports what it did not run; stand-ins replace make and the user id."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest

from tests.cluster.helpers import wait_until

ROOT = Path(__file__).parents[1]
SKIP = "SKIPPED [9] tests/hosts/test_nobody_in.py:1: no iproute2"


def ci(folder: Path, *, user: int, make: str) -> subprocess.CompletedProcess[str]:
    """Run the script as that user, with these shell lines as `make`."""
    programs = {"make": make, "id": f"echo {user}", "uname": "echo Linux", "apt-get": "true"}
    for name in ("ip", "ss", "nsenter", "sshd", "ssh-keygen", "rsync"):
        programs[name] = "true"
    for name, lines in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{lines}\n")
        (folder / name).chmod(0o755)
    env = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    return subprocess.run([ROOT / ".ci/run"], env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("user", "wanted"), [(0, ["host tests marked slow", SKIP]), (1000, ["all host tests: they need root"])]
)
def test_what_was_not_run_is_said_at_the_end(tmp_path: Path, user: int, wanted: list[str]) -> None:
    done = ci(tmp_path, user=user, make=f'[ "$1" != test-cluster ] || echo "{SKIP}"')
    assert done.returncode == 0
    assert "all passed" not in done.stdout
    end = done.stdout.split("== passed, but for what was left out: ==")[1]
    assert all(line in end for line in wanted)


@pytest.mark.parametrize("target", ["lint", "types", "test", "test-cluster"])
def test_a_failure_is_a_failure(tmp_path: Path, target: str) -> None:
    """The script ends with the status of a failing target and shows its output, and no success."""
    done = ci(tmp_path, user=0, make=f'[ "$1" != {target} ] || {{ echo "{target} has failed"; exit 5; }}')
    assert done.returncode == 5
    assert f"{target} has failed" in done.stdout
    assert "passed" not in done.stdout


def test_types_and_host_tests_run_beside_the_others_and_are_shown_behind_them(tmp_path: Path) -> None:
    """Types, tests and host tests run concurrently, as each waits for the others to start; their outputs do not mix."""
    missing = " || ".join(f'[ ! -e "$0.{target}" ]' for target in ("test", "types", "test-cluster"))
    began = f'touch "$0.$1"; while {missing}; do sleep 0.05; done'
    done = ci(tmp_path, user=0, make=f'[ "$1" = lint ] && exit\n{began}\necho "ran $1"')
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[lines.index("ran test") : lines.index("ran test-cluster") + 1] == [
        "ran test",
        "== make types: mypy ==",
        "ran types",
        "== make test-cluster: Ray on hosts of its own ==",
        "ran test-cluster",
    ]


def test_both_are_told_where_types_and_tests_fail(tmp_path: Path) -> None:
    done = ci(tmp_path, user=1000, make='[ "$1" = lint ] || { echo "$1 has failed"; exit 5; }')
    assert done.returncode == 5
    assert {"test has failed", "types has failed"} <= {*done.stdout.splitlines()}


def test_host_tests_end_when_the_others_fail(tmp_path: Path) -> None:
    for_ever = 'mkfifo "$0.pipe"; exec cat "$0.pipe"'  # until it is killed: the pipe has no writer
    ready = 'while [ ! -e "$0.pipe" ]; do sleep 0.05; done; exit 3'
    done = ci(tmp_path, user=0, make=f'case "$1" in test-cluster) {for_ever};; test) {ready};; esac')
    assert done.returncode == 3
    wait_until(lambda: unread(tmp_path / "make.pipe") or None)


def unread(pipe: Path) -> bool:
    """Return whether the pipe has no reader (any more)."""
    try:
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    except OSError as error:
        return error.errno == errno.ENXIO
    return False

"""`ray up` and `ray down` with the on-premise file, over SSH and rsync, on unprepared hosts."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from tests.cluster.helpers import TIMEOUT, wait_until
from tests.hosts.hosts import ROOT, Host, Lab
from tests.hosts.ray_hosts import WAIT_FOR_NODES
from tests.hosts.ssh_hosts import make_key, start_server

ADDRESSES = {"head": "192.0.2.10", "rollout": "192.0.2.11", "learner": "192.0.2.21"}  # as in the file
MISSING = [name for name in ("ssh", "ssh-keygen", "rsync") if shutil.which(name) is None]
JOB = "import ray; ray.init(logging_level='ERROR'); print(sorted(ray.cluster_resources().items()))"

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs {MISSING} (Debian: apt-get install openssh-server rsync)")


@pytest.fixture
def desk(lab: Lab) -> Iterator[Host]:
    """Start the user's host, with a key and the token but no Ray, and empty hosts for the machines in the file."""
    desk = lab.boot("desk")
    key = make_key(desk.home / ".ssh/quarterdeck")
    for name in ADDRESSES:
        host = lab.boot(name)
        (host.home / ".ray/auth_token").unlink()
        start_server(host, key)
    yield desk
    sockets = Path(f"/tmp/ray_ssh_{digest('root')}")  # Ray's folder of SSH connections; all hosts share /tmp
    shutil.rmtree(sockets / digest(cluster_name()), ignore_errors=True)


def digest(text: str) -> str:
    """Return Ray's directory name for `text`."""
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def cluster_name() -> str:
    """Return a cluster name that is unique on this machine."""
    return f"quarterdeck-{os.getpid()}"


def filled_in(lab: Lab, desk: Host) -> Path:
    """Write the on-premise file for these hosts and, as they are offline, this machine's packages; return its path."""
    text = (ROOT / "cluster/deploy/on_premise.yaml").read_text()
    for name, address in ADDRESSES.items():
        text = text.replace(f'{address} "', f'{lab.hosts[name].address} "').replace(address, lab.hosts[name].address)
    config: dict[str, Any] = yaml.safe_load(text)
    config["cluster_name"] = cluster_name()
    config["auth"]["ssh_user"] = "root"
    config["provider"]["worker_ips"] = [lab.hosts[name].address for name in ("rollout", "learner")]
    install = f"cd ~/quarterdeck && test -f requirements.lock && ln -sfn {sys.prefix} .venv"
    config["setup_commands"] = [*config["setup_commands"][:-1], install]
    file = desk.folder / "on_premise.yaml"
    file.write_text(yaml.safe_dump(config))
    return file


def tunnel_is_open(desk: Host) -> bool:
    """Return whether a process listens on the desk's port 8265."""
    return ":8265 " in desk.run("ss", "-Hltn").stdout


def fake_raylet(folder: Path) -> list[str]:
    """Return the command of a program that `ray stop` takes for a raylet."""
    program = folder / "raylet"
    shutil.copy(shutil.which("sleep") or "/bin/sleep", program)
    return [str(program), "100000"]


@pytest.mark.slow
def test_ray_up_and_down(lab: Lab, desk: Host) -> None:
    """`ray up` starts nodes with roles, token and local dashboard; a job runs by the tunnel; `ray down` ends all.

    `ray stop`, which both commands run on every host, ends only raylets of its own host.
    """
    file, hosts = filled_in(lab, desk), [lab.hosts[name] for name in ADDRESSES]
    head = lab.hosts["head"]
    elsewhere = subprocess.Popen(fake_raylet(desk.folder))
    victim = head.start(*fake_raylet(head.folder), log="raylet.log")
    (desk.folder / "tmp").mkdir()
    own = {"TMPDIR": str(desk.folder / "tmp")}
    try:
        desk.run("ray", "up", "--yes", "--no-config-cache", str(file), timeout=TIMEOUT, env=own)
        assert victim.wait(60) != 0
        token = head.home / ".ray/auth_token"
        head.run("python", "-c", WAIT_FOR_NODES, "http://127.0.0.1:8265", str(token), "3", timeout=TIMEOUT)
        for host in hosts:
            copy = host.home / ".ray/auth_token"
            assert copy.read_text() == lab.token
            assert stat.S_IMODE(copy.stat().st_mode) == 0o600
            assert all(process.environ()["RAY_AUTH_MODE"] == "token" for process in host.processes("raylet/raylet"))
        closed = desk.run("bash", "-c", 'exec 3<>"/dev/tcp/$0/8265"', head.name, check=False)
        assert "refused" in closed.stderr
        tunnel = desk.start("ray", "dashboard", str(file), log="tunnel.log", env=own)
        submit = ["ray", "job", "submit", "--address=http://127.0.0.1:8265", "--", "python", "-c", JOB]
        said = wait_until(lambda: desk.run(*submit, check=False).stdout if tunnel_is_open(desk) else None)
        for role, amount in {"rollout": 15.0, "learner": 1.0, "replay": 4.0}.items():
            assert f"({role!r}, {amount})" in said
        tunnel.terminate()
        desk.run("ray", "down", "--yes", str(file), timeout=TIMEOUT, env=own)
        wait_until(lambda: None if any(host.processes("raylet/raylet") for host in hosts) else True)
        assert head.processes("gcs_server") == []
        assert psutil.Process(elsewhere.pid).status() == psutil.STATUS_SLEEPING
    finally:
        elsewhere.kill()
        elsewhere.wait()

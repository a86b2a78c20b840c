"""A real cluster with token authentication, and a fake job server that records the tokens it receives."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import requests

from cluster.connect import STARTS
from cluster.jobs.client import Client
from tests.cluster.helpers import environment, still_alive, wait_until

TOKEN = "a-token-for-tests-" + "0" * 32


def free_ports(count: int) -> list[int]:
    """Return unused ports of this machine."""
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in taken:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in taken]


@dataclass(frozen=True)
class Head:
    """A running head node."""

    url: str
    home: Path

    def client(self) -> Client:
        """Return an authenticated client of Ray's job server."""
        return Client(self.url, headers={"Authorization": f"Bearer {TOKEN}"})


def head_environment(home: Path) -> dict[str, str]:
    """Return the environment of a node: HOME holds the token, the tests' interpreter is first in PATH."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return environment() | {
        "HOME": str(home),
        "PATH": path,
        "RAY_AUTH_MODE": "token",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_BACKEND_LOG_LEVEL": "fatal",
        "RAY_worker_niceness": "0",
    }


@contextlib.contextmanager
def running_head(home: Path) -> Iterator[Head]:
    """Run a head node with four CPUs in its own process groups; all its processes are killed at exit.

    A head that exits during its start is started again: on a busy machine its servers may need more than half a minute,
    and another process may have taken a free port before a server binds it.
    """
    (home / ".ray").mkdir(parents=True)
    (home / ".ray" / "auth_token").touch(mode=0o600)
    (home / ".ray" / "auth_token").write_text(TOKEN)
    # Paths of sockets have a length limit, and TMPDIR may be too long.
    with tempfile.TemporaryDirectory(prefix="qd-", dir="/tmp", ignore_cleanup_errors=True) as short:
        for left in reversed(range(STARTS)):
            head, ray = start_head(home, f"{short}/{left}")
            try:
                wait_until(lambda ray=ray, head=head: ray.poll() is not None or takes_jobs(head) or None)
                if ray.poll() is None:
                    yield head
                    return
            finally:
                end_session(ray)
            assert left, (home / "ray.log").read_text()


def start_head(home: Path, folder: str) -> tuple[Head, subprocess.Popen[bytes]]:
    """Start `ray start --head` on free ports; its output goes to HOME/ray.log."""
    names = ("port", "dashboard-port", "dashboard-agent-listen-port", "dashboard-agent-grpc-port")
    names += ("ray-client-server-port", "metrics-export-port", "node-manager-port", "object-manager-port")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    command = [str(Path(sys.executable).parent / "ray"), "start", "--head", "--block", "--disable-usage-stats"]
    command += ["--node-ip-address=127.0.0.1", "--dashboard-host=127.0.0.1", "--num-cpus=4"]
    command += ["--object-store-memory=100000000", "--min-worker-port=0", "--max-worker-port=0"]
    command += [f"--temp-dir={folder}", *(f"--{name}={port}" for name, port in ports.items())]
    with (home / "ray.log").open("wb") as log:
        ray = subprocess.Popen(
            command,
            env=head_environment(home),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    return Head(f"http://127.0.0.1:{ports['dashboard-port']}", home), ray


def takes_jobs(head: Head) -> bool:
    """Return whether the head and its agent accept a job."""
    try:
        head.client().submit_job(entrypoint="true")
    except (OSError, RuntimeError, requests.RequestException):
        return False
    return True


def end_session(ray: subprocess.Popen[bytes]) -> None:
    """Kill a `ray start --block` and all its descendants, including workers in other process groups.

    If it has ended by itself, its descendants have ended with it.
    """
    import psutil

    family: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        family = [psutil.Process(ray.pid), *psutil.Process(ray.pid).children(recursive=True)]
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)
    ray.wait()
    still_alive(family, float("inf"))


@dataclass
class Counterfeit:
    """An HTTP server that answers like a job server."""

    url: str
    tokens: list[str | None] = field(default_factory=list)  # Authorization of every request


@contextlib.contextmanager
def counterfeit(
    *, host: str = "127.0.0.1", locked: bool = False, body: str = '{"ray_version": "2.60.0"}'
) -> Iterator[Counterfeit]:
    """Run a server that answers every GET with `body`, with 401 or 403 without the right token if `locked`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            token = self.headers.get("Authorization")
            server.tokens.append(token)
            self.send_response(
                401 if locked and token is None else 403 if locked and token != f"Bearer {TOKEN}" else 200
            )
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer((host, 0), Handler) as listener:
        server = Counterfeit(f"http://{host}:{listener.server_port}")
        thread = threading.Thread(target=listener.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown()
            thread.join()


def metadata_of(head: Head, job: str) -> dict[str, str]:
    """Return the metadata with which a job was submitted."""
    return dict(json.loads(json.dumps(head.client().get_job_info(job).metadata)))

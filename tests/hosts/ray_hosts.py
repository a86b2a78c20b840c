"""A Ray cluster on the hosts of a `Lab`: a head, workers by role, token authentication, a host outside."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from tests.hosts.hosts import NOTHING, Host, Lab

HEAD_PORT, DASHBOARD_PORT = 6379, 8265
STORE = "100000000"  # bytes of a host's object store
# On a busy machine, Ray may give up before it has started: then it is started again.
START = 'until ray start --block "$@" || grep -q "Ray runtime started" "$0"; do sleep 1; done'
# Polls the dashboard until the cluster has exactly that many nodes alive.
WAIT_FOR_NODES = """
import json, sys, time, urllib.request
url, token, wanted = sys.argv[1], open(sys.argv[2]).read(), int(sys.argv[3])
request = urllib.request.Request(url + "/api/v0/nodes", headers={"Authorization": "Bearer " + token})
while True:
    try:
        nodes = json.load(urllib.request.urlopen(request, timeout=10))["data"]["result"]["result"]
        if sum(node["state"] == "ALIVE" for node in nodes) == wanted:
            break
    except (OSError, TypeError, KeyError):
        pass
    time.sleep(0.5)
"""


class RayHosts:
    """A cluster on a lab's hosts, and `outside`: a host that has the token and runs no Ray."""

    def __init__(self, lab: Lab, env: Mapping[str, str] = NOTHING) -> None:
        """Start the head; `env` is set for every Ray process of the cluster."""
        self.lab, self.ray_env = lab, env
        self.outside = lab.boot("outside")
        self.head = self.start_head()

    @property
    def address(self) -> str:
        """The `RAY_ADDRESS` for drivers on the hosts."""
        return f"{self.head.address}:{HEAD_PORT}"

    @property
    def dashboard(self) -> str:
        """The dashboard's URL, to which jobs are submitted."""
        return f"http://{self.head.address}:{DASHBOARD_PORT}"

    def start_head(self, name: str = "head") -> Host:
        """Start a head with one CPU on a new host; a replacement for a lost head needs another name."""
        self.head = self.lab.boot(name)
        self._ray_start(
            self.head,
            "--head",
            f"--port={HEAD_PORT}",
            f"--dashboard-host={self.head.address}",
            f"--dashboard-port={DASHBOARD_PORT}",
            "--num-cpus=1",
        )
        self.wait_for_nodes(1)
        return self.head

    def start_worker(self, name: str, *, num_cpus: int = 2, **roles: int) -> Host:
        """Start a worker on a new host, without waiting; `roles` are custom resources (rollout, replay, learner)."""
        host = self.lab.boot(name)
        self._ray_start(host, f"--address={self.address}", f"--num-cpus={num_cpus}", f"--resources={json.dumps(roles)}")
        return host

    def wait_for_nodes(self, count: int) -> None:
        """Wait until the cluster has exactly `count` nodes alive, including the head."""
        token = str(self.outside.home / ".ray" / "auth_token")
        self.outside.run("python", "-c", WAIT_FOR_NODES, self.dashboard, token, str(count))

    def _ray_start(self, host: Host, *arguments: str) -> None:
        host.start(
            *("sh", "-c", START, str(host.folder / "ray.log")),
            f"--node-ip-address={host.address}",
            f"--object-store-memory={STORE}",
            "--disable-usage-stats",
            *arguments,
            log="ray.log",
            env=self.ray_env,
        )


def ray_logs(host: Host) -> Path:
    """Return the newest log folder of the host's Ray, as a path on this machine."""
    sessions = (host.folder / "ray").glob("session_2*/logs")
    return max(sessions, key=lambda path: path.stat().st_mtime)

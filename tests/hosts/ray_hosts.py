"""A Ray cluster on the hosts of a `Lab`: a head, workers by role, token authentication, a stranger outside."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from tests.hosts.hosts import NOTHING, Host, Lab

HEAD_PORT, DASHBOARD_PORT = 6379, 8265
STORE = "100000000"  # bytes of a host's object store
# On a machine with much to do Ray may give up before it is there: then it is started once more.
START = 'until ray start --block "$@" || grep -q "Ray runtime started" "$0"; do sleep 1; done'
# Asks the dashboard until the cluster has exactly that many living nodes.
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
    """A cluster on real hosts, and `outside`: a host that has the token and runs no Ray."""

    def __init__(self, lab: Lab, env: Mapping[str, str] = NOTHING) -> None:
        """Start the head; `env` goes to every Ray process of the cluster."""
        self.lab, self.ray_env = lab, env
        self.outside = lab.boot("outside")
        self.head = self.start_head()

    @property
    def address(self) -> str:
        """Where `RAY_ADDRESS` of a driver on one of the hosts points."""
        return f"{self.head.address}:{HEAD_PORT}"

    @property
    def dashboard(self) -> str:
        """Where jobs are submitted."""
        return f"http://{self.head.address}:{DASHBOARD_PORT}"

    def start_head(self, name: str = "head") -> Host:
        """A head without room for actors, on a new host; after the loss of the old one under another name."""
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
        """A worker on a new host; `roles` are its custom resources: rollout, replay, learner. Does not wait for it."""
        host = self.lab.boot(name)
        self._ray_start(host, f"--address={self.address}", f"--num-cpus={num_cpus}", f"--resources={json.dumps(roles)}")
        return host

    def wait_for_nodes(self, count: int) -> None:
        """Return when the cluster has exactly `count` living nodes, the head counted."""
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
    """The newest log folder of the host's Ray, as this process sees it."""
    sessions = (host.folder / "ray").glob("session_2*/logs")
    return max(sessions, key=lambda path: path.stat().st_mtime)

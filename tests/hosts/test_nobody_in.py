"""Without the token, every port refuses requests, and requested jobs do not run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.helpers import TIMEOUT, wait_until
from tests.hosts.hosts import Host, Lab
from tests.hosts.ray_hosts import DASHBOARD_PORT, RayHosts

PROBE = str(Path(__file__).with_name("probe.py"))
# Answered without a token by Ray's design; docs/security.md describes what they reveal.
PUBLIC = {"/", "/favicon.ico", "/static/x", "/api/authentication_mode", "/-/healthz"}
PUBLIC |= {"/api/healthz", "/api/gcs_healthz", "/api/local_raylet_healthz"}
STRANGER = {"RAY_AUTH_MODE": "disabled", "HOME": "/nonexistent"}
WRONG = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}
CONNECT = "import ray; ray.init(logging_level='ERROR'); print('inside')"
UNTIL_INSIDE = 'for _ in 1 2 3 4 5; do python -c "$0" && exit; sleep 1; done; exit 1'
CLIENT_LOGS = "tail -n 30 /tmp/ray/session_latest/logs/ray_client_server*.err"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayHosts]:
    """Start a head and a worker; the dashboard listens on the head's address."""
    lab = Lab(tmp_path_factory.mktemp("lab"))
    cluster = RayHosts(lab)
    cluster.start_worker("worker", rollout=1)
    cluster.wait_for_nodes(2)
    yield cluster
    lab.close()


def listening(host: Host) -> list[int]:
    """Return the TCP ports on which the host listens beyond loopback."""
    sockets = host.run("ss", "-Hltn").stdout.splitlines()
    found = (re.search(r"(\S+):(\d+)$", line.split()[3]) for line in sockets)
    return sorted({int(one[2]) for one in found if one and not one[1].startswith("127.")})


def answers(cluster: RayHosts, host: Host, trace: Path, token: str = "") -> dict[str, int]:
    """Return the statuses of a host's ports to requests from the outside host."""
    ports = ",".join(map(str, listening(host)))
    said = cluster.outside.run("python", PROBE, host.address, ports, str(trace), token, timeout=TIMEOUT).stdout
    print(host.name, said)
    found: dict[str, int] = json.loads(said)
    return found


def ways_in(cluster: RayHosts) -> list[tuple[Host, str]]:
    """Return the ways for a driver to connect: on a node, as it needs a local raylet, or anywhere by Ray Client."""
    return [(cluster.head, cluster.address), (cluster.outside, f"ray://{cluster.head.address}:10001")]


@pytest.mark.parametrize("name", ["head", "worker"])
def test_every_http_port_refuses_without_the_token(cluster: RayHosts, name: str, tmp_path: Path) -> None:
    """Every request gets 401, except the page that asks for the token, health checks, and metrics (read only)."""
    found = answers(cluster, cluster.lab.hosts[name], tmp_path / "trace")
    ports = {request.split()[0] for request in found}
    metrics = {port for port in ports if found[f"{port} GET /metrics"] == 200}
    assert ports - metrics, "no port was found that asks for the token"
    for request, status in found.items():
        port, method, path = request.split()
        if port in metrics:
            assert status == (200 if method == "GET" else 405), request
        elif path not in PUBLIC:
            assert status == 401, request
    assert len(metrics) == {"head": 3, "worker": 1}[name]
    assert not (tmp_path / "trace").exists()


def test_the_same_requests_pass_with_the_token(cluster: RayHosts, tmp_path: Path) -> None:
    """With the token, requests get 200 and the job runs: the control of the test above."""
    found = answers(cluster, cluster.head, tmp_path / "trace", cluster.lab.token)
    for request in ("GET /api/version", "GET /api/jobs/", "GET /api/v0/nodes", "POST /api/jobs/"):
        assert found[f"{DASHBOARD_PORT} {request}"] == 200
    wait_until(lambda: (tmp_path / "trace").exists() or None)


@pytest.mark.parametrize("env", [STRANGER, WRONG], ids=["no token", "a wrong token"])
def test_drivers_and_jobs_need_the_token(cluster: RayHosts, env: dict[str, str]) -> None:
    """Without the right token, drivers cannot connect by GCS or Ray Client, and jobs cannot be submitted."""
    for host, address in ways_in(cluster):
        done = host.run("python", "-c", CONNECT, check=False, env={**env, "RAY_ADDRESS": address})
        assert done.returncode != 0
        assert "inside" not in done.stdout
    submit = ["ray", "job", "submit", f"--address={cluster.dashboard}", "--no-wait", "--", "true"]
    assert cluster.outside.run(*submit, check=False, env=env).returncode != 0


def test_with_the_token_a_driver_gets_in(cluster: RayHosts) -> None:
    """With the token, drivers connect: the control of the test above. It retries, as Ray's proxy fails under load."""
    for host, address in ways_in(cluster):
        done = host.run("sh", "-c", UNTIL_INSIDE, CONNECT, check=False, env={"RAY_ADDRESS": address})
        print(done.stderr, cluster.head.run("sh", "-c", CLIENT_LOGS, check=False).stdout)
        assert done.stdout == "inside\n"

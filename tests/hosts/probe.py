"""Send every known request to ports of a host, and print the statuses; run on a host without the token.

usage: probe.py ADDRESS PORT,PORT,... TRACE [TOKEN]
prints {"PORT METHOD PATH": status} for the ports that speak HTTP; the job that it tries to start creates the file TRACE
"""

from __future__ import annotations

import http.client
import json
import sys
from concurrent.futures import ThreadPoolExecutor

READS = """
/ /metrics /favicon.ico /static/x /api/version /api/ray/version /api/authentication_mode /-/healthz /api/healthz
/api/gcs_healthz /api/local_raylet_healthz /api/jobs/ /api/jobs/x /api/jobs/x/logs /api/job_agent/jobs/x/logs
/api/v0/nodes /api/v0/actors /api/v0/jobs /api/v0/tasks /api/v0/tasks/timeline /api/v0/objects /api/v0/workers
/api/v0/logs /api/v0/logs/file /api/v0/runtime_envs /api/v0/placement_groups /api/v0/cluster_metadata
/api/v0/cluster_events /nodes /nodes/x /logical/actors /events /cluster_id /timezone /usage_stats_enabled /logs
/api/cluster_status /api/component_activities /api/serve/applications/ /api/packages/gcs/x.zip /api/prometheus/sd
/api/prometheus_health /api/grafana_health /api/train/v2/runs /api/data/datasets/x /api/profiling_enabled /test/dump
/worker/traceback /worker/cpu_profile /task/traceback /task/cpu_profile /memory_profile
"""
WRITES = """
POST / POST /metrics POST /api/jobs/ POST /api/jobs/x/stop POST /api/job_agent/jobs/ POST /api/job_agent/jobs/x/stop
POST /report_events POST /api/task_events POST /api/task_events/query POST /api/authenticate
PUT /api/packages/gcs/x.zip PUT /api/serve/applications/
DELETE /api/jobs/x DELETE /api/job_agent/jobs/x DELETE /api/serve/applications/
"""
REQUESTS = [*(("GET", path) for path in READS.split()), *zip(WRITES.split()[::2], WRITES.split()[1::2], strict=True)]


def ask(address: str, port: int, method: str, path: str, headers: dict[str, str], body: str) -> int | None:
    """Return the status of the port's answer, or None if the port does not speak HTTP/1.1."""
    connection = http.client.HTTPConnection(address, port, timeout=20)
    try:
        connection.request(method, path, body if method in ("POST", "PUT") else None, headers)
        return connection.getresponse().status
    except (http.client.HTTPException, OSError):
        return None
    finally:
        connection.close()


def probe(address: str, port: int, headers: dict[str, str], body: str) -> dict[str, int]:
    """Send every request to one port, unless the first gets no answer; return the statuses."""
    if ask(address, port, "GET", "/", headers, body) is None:
        return {}
    answers = {f"{port} {method} {path}": ask(address, port, method, path, headers, body) for method, path in REQUESTS}
    return {request: status for request, status in answers.items() if status is not None}


def main(address: str, ports: str, trace: str, token: str = "") -> None:
    """Probe all ports concurrently and print their statuses."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    body = json.dumps({"entrypoint": f"touch {trace}"})
    with ThreadPoolExecutor(16) as pool:
        answers = pool.map(lambda port: probe(address, int(port), headers, body), ports.split(","))
    print(json.dumps({request: status for answer in answers for request, status in answer.items()}))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""With the cluster files' health checks, a network cut of 30 seconds loses no node."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.cluster.helpers import PATIENCE, wait_until
from tests.cluster.test_deploy import ENV
from tests.hosts.hosts import Lab
from tests.hosts.ray_hosts import RayHosts

# An actor on the worker counts; the driver prints one line before the network cut, and one once the file exists.
DRIVER = """
import json, os, ray, sys, time
ray.init(logging_level="ERROR", log_to_driver=False)

@ray.remote(num_cpus=0, resources={"rollout": 1})
class Counter:
    count = 0
    def add(self):
        self.count += 1
        return self.count, ray.get_runtime_context().get_node_id()

counter = Counter.remote()
print(json.dumps(ray.get(counter.add.remote(), timeout=300)), flush=True)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.1)
while True:
    try:
        print(json.dumps(ray.get(counter.add.remote(), timeout=300)), flush=True)
        break
    except ray.exceptions.ActorUnavailableError:
        time.sleep(1)
"""


def lines(path: Path) -> list[list[object]]:
    """Return the lines of JSON that the driver has printed so far."""
    return [json.loads(line) for line in path.read_text().splitlines() if line.startswith("[")]


@pytest.mark.slow
def test_half_a_minute_without_a_cable_costs_no_node(lab: Lab) -> None:
    """The same actor on the same node continues after the cut with count 2; a restarted one would begin at 1."""
    ray_hosts = RayHosts(lab, ENV)
    worker = ray_hosts.start_worker("worker", rollout=1)
    ray_hosts.wait_for_nodes(2)
    signal, log = lab.folder / "signal", ray_hosts.head.folder / "driver.log"
    env = {"RAY_ADDRESS": ray_hosts.address}
    driver = ray_hosts.head.start("python", "-c", DRIVER, str(signal), log=log.name, env=env)
    [[count, node]] = wait_until(lambda: lines(log) or None)
    assert count == 1
    lab.cut(worker)
    time.sleep(30)
    lab.restore(worker)
    signal.touch()
    assert driver.wait(PATIENCE) == 0, log.read_text()
    assert lines(log)[1] == [2, node]

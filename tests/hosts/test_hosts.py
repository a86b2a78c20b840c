"""Hosts of a lab are isolated, reachable, and removed without a trace."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil

from tests.cluster.helpers import wait_until
from tests.hosts.hosts import ROOT, Lab
from tests.hosts.ray_hosts import RayHosts

SPREAD = """
import json, ray, socket
ray.init()
where = ray.remote(lambda: (socket.gethostname(), ray.util.get_node_ip_address()))
found = {role: ray.get(where.options(resources={role: 1}).remote(), timeout=300)
         for role in ("rollout", "replay", "learner")}
print(json.dumps(found))
"""
PING = ["bash", "-c", 'exec 3<>"/dev/tcp/$0/22"']


def test_hosts_are_apart_and_reach_each_other(lab: Lab) -> None:
    """Hosts have own names, addresses and processes; they can be cut off, restored, and lost one at a time."""
    one, two = lab.boot("one"), lab.boot("two")
    assert one.run("hostname").stdout == "one\n"
    assert two.address in two.run("ip", "-4", "addr", "show", "eth0").stdout
    sleeper = one.start("sleep", "1000", log="sleep.log")
    assert wait_until(lambda: one.processes("sleep 1000") or None)
    assert two.processes("sleep 1000") == []
    assert "sleep" not in two.run("ps", "-A").stdout

    def reaches() -> bool:  # no process listens on that port, so a reachable host refuses at once
        said = one.run("timeout", "3", *PING[:2], PING[2], two.name, check=False).stderr
        return "refused" in said

    assert wait_until(lambda: reaches() or None)
    lab.cut(two)
    assert not reaches()
    lab.restore(two)
    assert wait_until(lambda: reaches() or None)
    one.lose()
    assert sleeper.wait(30) != 0
    assert not one.alive
    assert two.alive


def test_nothing_is_left_after_a_crash(tmp_path: Path) -> None:
    """When a test process is killed, its hosts end too."""
    program = f"""
import os, signal
from pathlib import Path
from tests.hosts.hosts import Lab
lab = Lab(Path({str(tmp_path)!r}))
host = lab.boot("one")
host.start("sleep", "2222", log="sleep.log")
while not host.processes("sleep 2222"):
    pass
print(host.init.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    said = subprocess.run([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, check=False).stdout
    wait_until(lambda: None if psutil.pid_exists(int(said)) else True)


def test_a_cluster_of_three_roles(ray_hosts: RayHosts) -> None:
    """Ray runs tasks on the host that has their role's resource, and notices a lost host."""
    workers = {role: ray_hosts.start_worker(f"{role}1", **{role: 1}) for role in ("rollout", "replay", "learner")}
    ray_hosts.wait_for_nodes(4)
    said = ray_hosts.head.run("python", "-c", SPREAD, env={"RAY_ADDRESS": ray_hosts.address}).stdout
    for role, host in workers.items():
        assert f'"{role}": ["{host.name}", "{host.address}"]' in said
    workers["replay"].lose()
    ray_hosts.wait_for_nodes(3)

"""A Pong job submitted from outside runs on hosts by role, learns, saves, and can resume after a lost head."""

from __future__ import annotations

import json
import math
import subprocess
from pathlib import Path

import pytest

from tests.cluster.helpers import TIMEOUT, read_json, wait_until
from tests.cluster.records import checked_summary, learns, saved, scalars
from tests.hosts.hosts import ROOT, Host, Lab
from tests.hosts.ray_hosts import RayHosts
from training.storage.provenance import commit_of

ROLES = ("rollout", "replay", "learner")
FLEET = ["--fleet.runners=2", "--fleet.shards=2", "--fleet.learners=1", "--fleet.roles"]
SMALL = ["--fleet.envs-per-runner=4", "--fleet.chunk-steps=8", "--replay.capacity=4000", "--replay.learning-starts=200"]
LIGHT = ["--replay.samples-per-insert=1", "--learner.batch-size=32", "--learner.device=cpu"]
JUDGED = ["--evaluation.every-steps=0", "--evaluation.episodes=1", "--evaluation.protocol=training"]
PONG = ["train", "pong", "--minutes=60", *FLEET, *SMALL, *LIGHT, *JUDGED]
# Prints [[role, address], ...] of living actors that require a role, and of the driver, from Ray's state API.
PLACES = """
import json, sys, urllib.request
url, token = sys.argv[1], open(sys.argv[2]).read()
def ask(what):
    request = urllib.request.Request(f"{url}/api/{what}", headers={"Authorization": f"Bearer {token}"})
    return json.load(urllib.request.urlopen(request, timeout=60))
def rows(kind):
    return ask(f"v0/{kind}?detail=1&limit=1000")["data"]["result"]["result"]
nodes = {node["node_id"]: node["node_ip"] for node in rows("nodes")}
actors = [actor for actor in rows("actors") if actor["state"] == "ALIVE"]
wanted = [(role, nodes[actor["node_id"]]) for actor in actors for role in actor["required_resources"] or {}]
drivers = [("driver", nodes.get(job["driver_node_id"])) for job in ask("jobs/") if job["status"] == "RUNNING"]
print(json.dumps(wanted + drivers))
"""

pytestmark = pytest.mark.timeout(2 * TIMEOUT)


def shared(lab: Lab) -> Path:
    """Return a folder of storage that all hosts share."""
    folder = lab.folder / "shared"
    folder.mkdir(exist_ok=True)
    return folder


def submit(cluster: RayHosts, run: Path, *more: str) -> subprocess.Popen[bytes]:
    """Submit the Pong job from the outside host; the output goes to the file `submit.log` there."""
    command = ["python", "-m", "cluster", "submit", "--address", cluster.dashboard, "--", *PONG]
    return cluster.outside.start(*command, f"--run-dir={run}", *more, log="submit.log")


def said(host: Host) -> str:
    """Return the output of `submit` so far."""
    return (host.folder / "submit.log").read_text()


def places(cluster: RayHosts) -> dict[str, set[str]]:
    """Return the addresses of the hosts of the driver and of the actors of each role."""
    token = str(cluster.outside.home / ".ray" / "auth_token")
    found = json.loads(cluster.outside.run("python", "-c", PLACES, cluster.dashboard, token).stdout)
    return {role: {address for name, address in found if name == role} for role in (*ROLES, "driver")}


def test_a_job_spreads_over_the_hosts_and_learns(ray_hosts: RayHosts) -> None:
    """Actors run on the hosts of their role and the driver on the head; the job learns and its records are complete."""
    run = shared(ray_hosts.lab) / "pong"
    runners = [ray_hosts.start_worker(name, num_cpus=1, rollout=1) for name in ("rollout1", "rollout2")]
    replay = ray_hosts.start_worker("replay1", num_cpus=1, replay=2)
    learner = ray_hosts.start_worker("learner1", num_cpus=1, learner=1)
    ray_hosts.wait_for_nodes(5)
    job = submit(ray_hosts, run, "--steps=3000", "--seed=3")
    wait_until(lambda: learns(run) or job.poll() is not None or None)
    assert job.poll() is None, said(ray_hosts.outside)
    assert places(ray_hosts) == {
        "rollout": {host.address for host in runners},
        "replay": {replay.address},
        "learner": {learner.address},
        "driver": {ray_hosts.head.address},
    }
    assert job.wait() == 0, said(ray_hosts.outside)
    assert "over 1 games after 3," in said(ray_hosts.outside)
    summary = checked_summary(run, episodes=1)
    assert summary["agent_steps"] >= 3000
    assert summary["updates"] * 32 == pytest.approx(summary["agent_steps"] - 200, rel=0.1)
    assert summary["commit"] == commit_of(ROOT)
    shown = scalars(run)
    for name in ("learner/loss", "learner/q_mean", "run/learner_updates", "run/samples_per_insert"):
        assert all(math.isfinite(value) for _, value in shown[name])
    updates = [value for _, value in shown["run/learner_updates"]]
    assert 0 < updates[-1] == summary["updates"]
    assert saved(run)["agent_steps"] == summary["agent_steps"]
    whole = Path(summary["checkpoint"])
    assert all((whole / name / "state.json").is_file() for name in ("replay-0", "replay-1"))


@pytest.mark.slow
def test_a_job_outlives_its_head(ray_hosts: RayHosts) -> None:
    """When the head is lost, `submit` exits with an explanation; `--resume` continues the run on a new head."""
    run, steps = shared(ray_hosts.lab) / "pong", "--steps=1000000"
    ray_hosts.start_worker("all1", num_cpus=4, rollout=2, replay=2, learner=1)
    ray_hosts.wait_for_nodes(2)
    job = submit(ray_hosts, run, steps, "--checkpoint-minutes=0.05")
    wait_until(lambda: job.poll() is not None or (learns(run) and list(run.glob("checkpoints/*[0-9]"))) or None)
    assert job.poll() is None, said(ray_hosts.outside)
    ray_hosts.head.lose()
    assert job.wait() == 2
    assert "has stopped answering: a job there goes on as long as its cluster lives" in said(ray_hosts.outside)
    before = saved(run)

    ray_hosts.start_head("head2")
    ray_hosts.start_worker("all2", num_cpus=4, rollout=2, replay=2, learner=1)
    ray_hosts.wait_for_nodes(2)
    job = submit(ray_hosts, run, steps, "--checkpoint-minutes=0.05", "--resume")
    wait_until(lambda: job.poll() is not None or saved(run)["updates"] > before["updates"] + 10 or None)
    assert job.poll() is None, said(ray_hosts.outside)
    assert saved(run)["agent_steps"] > before["agent_steps"]

    (listed,) = jobs(ray_hosts, "RUNNING")
    stopped = ray_hosts.outside.run("python", "-m", "cluster", "stop", listed, "--address", ray_hosts.dashboard).stdout
    assert job.wait() == 1
    assert "STOPPED, saved; resume with: quarterdeck submit -- train pong" in stopped
    assert read_json(run / "summary.json")["agent_steps"] == saved(run)["agent_steps"]
    assert jobs(ray_hosts, "RUNNING") == []


def jobs(cluster: RayHosts, status: str) -> list[str]:
    """Return the IDs of the jobs in a state, as `quarterdeck jobs` lists them."""
    listed = cluster.outside.run("python", "-m", "cluster", "jobs", "--address", cluster.dashboard).stdout
    rows = [line.split() for line in listed.splitlines()]
    return [row[0] for row in rows if row[1] == status]

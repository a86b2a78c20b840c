"""Ray's autoscaler with its fake provider adds rollout nodes on demand and removes idle ones."""

from __future__ import annotations

import json

import pytest

from tests.hosts.hosts import Lab
from tests.hosts.ray_hosts import HEAD_PORT, STORE

# Ray expects a complete cluster file, with every key.
NOTHING = """cluster_synced_files rsync_exclude rsync_filter initialization_commands setup_commands head_setup_commands
worker_setup_commands head_start_ray_commands worker_start_ray_commands"""
EMPTY = {
    **{key: {} for key in ("head_node", "worker_nodes", "file_mounts")},
    **{key: [] for key in NOTHING.split()},
    "file_mounts_sync_continuously": False,
}
# The provider's nodes are processes of one host: they share an address and need no SSH.
PROVIDER = {
    "type": "fake_multinode",
    "disable_node_updaters": True,
    "use_node_id_as_ip": True,
    "launch_multiple": True,
}
# Three runners of one unit each, on nodes with two units: the third runner needs a second node.
DRIVER = """
import json, ray, time

def rollout_nodes():
    return sum(node["Alive"] and "rollout" in node["Resources"] for node in ray.nodes())

@ray.remote(num_cpus=0, resources={"rollout": 1})
class Runner:
    def node(self):
        return ray.get_runtime_context().get_node_id()

ray.init(logging_level="ERROR", log_to_driver=False)
assert rollout_nodes() == 0
runners = [Runner.remote() for _ in range(3)]
homes = ray.get([runner.node.remote() for runner in runners], timeout=600)
print(json.dumps({"homes": len(set(homes)), "nodes": rollout_nodes()}), flush=True)
for runner in runners:
    ray.kill(runner)
while rollout_nodes():
    time.sleep(0.5)
print("gone", flush=True)
"""


@pytest.mark.slow
def test_rollout_nodes_come_and_go(lab: Lab) -> None:
    """Three runners bring two rollout nodes, which are removed after the runners end."""
    head = lab.boot("head")
    config = {
        **EMPTY,
        "cluster_name": "autoscaled",
        "max_workers": 4,
        "upscaling_speed": 4.0,
        "idle_timeout_minutes": 0.1,
        "provider": {**PROVIDER, "gcs_address": f"{head.address}:{HEAD_PORT}"},
        "auth": {},
        "docker": {},
        "head_node_type": "ray.head.default",  # the provider requires this name
        "available_node_types": {
            "ray.head.default": {"resources": {"CPU": 1}, "node_config": {}, "max_workers": 0},
            "rollout": {"resources": {"CPU": 1, "rollout": 2}, "node_config": {}, "max_workers": 4},
        },
    }
    file = head.folder / "cluster.json"
    file.write_text(json.dumps(config))
    head.start(
        "ray",
        "start",
        "--head",
        "--block",
        f"--port={HEAD_PORT}",
        f"--node-ip-address={head.address}",
        f"--object-store-memory={STORE}",
        "--num-cpus=1",
        f"--autoscaling-config={file}",
        log="ray.log",
        env={"RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1"},
    )
    address = {"RAY_ADDRESS": f"{head.address}:{HEAD_PORT}"}
    ready = "until ray status >/dev/null 2>&1; do sleep 1; done"
    head.run("bash", "-c", ready, env=address)
    said = head.run("python", "-c", DRIVER, env=address).stdout.splitlines()
    assert json.loads(said[0]) == {"homes": 2, "nodes": 2}
    assert said[1] == "gone"

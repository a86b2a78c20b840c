"""The effect of the cluster files on nodes, tested with Ray's own functions, without a cloud or Kubernetes."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
import yaml
from ray._private.utils import resolve_object_store_memory

ROOT = Path(__file__).parents[2]
KUBERAY = yaml.safe_load((ROOT / "cluster/deploy/kuberay/raycluster.yaml").read_text())["spec"]
GROUPS = {"head": KUBERAY["headGroupSpec"]} | {group["groupName"]: group for group in KUBERAY["workerGroupSpecs"]}
UNITS = {"Gi": 2**30, "Mi": 2**20}
CLOUD_LIBRARIES = ("boto3", "botocore", *(f"boto3.{part}" for part in ("exceptions", "resources", "resources.base")))
CLOUD_LIBRARIES += tuple(f"botocore.{part}" for part in ("client", "config", "exceptions"))


def size(quantity: str) -> int:
    """Return the bytes of a Kubernetes quantity."""
    return int(quantity[:-2]) * UNITS[quantity[-2:]]


class Named:
    """A fake AWS collection that can be filtered by name."""

    def __init__(self, things: dict[str, SimpleNamespace]) -> None:
        self.things = things

    def all(self) -> list[SimpleNamespace]:
        """Return all items."""
        return list(self.things.values())

    def filter(self, Filters: list[dict[str, Any]]) -> list[SimpleNamespace]:
        """Return the items whose names are in the first filter."""
        return [thing for name, thing in self.things.items() if name in Filters[0]["Values"]]


def subnet(name: str, zone: str) -> SimpleNamespace:
    """Return a fake subnet with public addresses."""
    return SimpleNamespace(
        subnet_id=name, vpc_id="vpc-1", state="available", map_public_ip_on_launch=True, availability_zone=zone
    )


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return Ray's module that configures AWS nodes, with a fake cloud of three subnets and one security group."""
    for name in CLOUD_LIBRARIES:
        monkeypatch.setitem(sys.modules, name, MagicMock(__version__="1.44.5"))
    before = set(sys.modules)
    module = importlib.import_module("ray.autoscaler._private.aws.config")
    zones = {"subnet-REPLACE_ME": "us-west-2a", "subnet-other": "us-west-2a", "subnet-third": "us-west-2b"}
    subnets = Named({name: subnet(name, zone) for name, zone in zones.items()})
    groups = Named({"sg-REPLACE_ME": SimpleNamespace(vpc_id="vpc-1")})
    cloud = MagicMock(subnets=subnets, security_groups=groups)  # hashable: Ray caches results by it
    monkeypatch.setattr(module, "_resource", lambda *_: cloud)
    yield module
    for name in set(sys.modules) - before:
        if name.startswith("ray.autoscaler._private.aws"):
            del sys.modules[name]


def test_nodes_of_the_cloud_land_in_the_subnet_that_the_file_names(aws: Any) -> None:
    """AWS nodes use only the file's subnet; without `SubnetIds` Ray takes other public subnets of the VPC, too."""
    config = aws._configure_subnet(yaml.safe_load((ROOT / "ray_cluster.yaml").read_text()))
    nodes = [node["node_config"] for node in config["available_node_types"].values()]
    assert [node["SubnetIds"] for node in nodes] == [["subnet-REPLACE_ME"]] * 3
    assert not any("SubnetId" in node for node in nodes)
    for node in nodes:
        del node["SubnetIds"]
    config = aws._configure_subnet(config)  # control: the cloud has other subnets
    assert "subnet-other" in config["available_node_types"]["head"]["node_config"]["SubnetIds"]


@pytest.mark.parametrize(
    ("mounted", "mounts", "done"), [(0, 1, ["chown"]), (1, 0, ["mount", "chown"]), (1, 1, ["mount"])]
)
def test_the_shared_storage_is_the_images_users(mounted: int, mounts: int, done: list[str], tmp_path: Path) -> None:
    """The storage is mounted if necessary and then owned by the image's uid 1000; a failed mount is an error."""
    [command] = yaml.safe_load((ROOT / "ray_cluster.yaml").read_text())["initialization_commands"]
    stand_in = {"mountpoint": f"exit {mounted}", "sudo": f'echo "$@"; if [ $1 = mount ]; then exit {mounts}; fi'}
    for name, line in stand_in.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / name).chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    ran = subprocess.run(["bash", "-c", command], env=env, capture_output=True, text=True, check=False)
    said = ran.stdout.splitlines()
    assert [line.split()[0] for line in said] == ["mkdir", *done]
    assert (ran.returncode == 0) is ("chown" in done)
    assert ran.returncode or said[-1] == "chown 1000:1000 /mnt/runs"
    assert "useradd --uid 1000 " in (ROOT / "cluster/deploy/Dockerfile").read_text()


@pytest.mark.parametrize("name", GROUPS)
def test_a_pods_object_store_fits_into_its_shared_memory(name: str) -> None:
    """The object store, sized by the manifest or by Ray's rule, fits into /dev/shm; else Ray would use the disk."""
    pod = GROUPS[name]["template"]["spec"]
    [container] = pod["containers"]
    given = GROUPS[name]["rayStartParams"].get("object-store-memory")
    memory = size(container["resources"]["limits"]["memory"])
    [mount] = [mount["name"] for mount in container["volumeMounts"] if mount["mountPath"] == "/dev/shm"]
    [shared] = [volume["emptyDir"]["sizeLimit"] for volume in pod["volumes"] if volume["name"] == mount]
    assert resolve_object_store_memory(memory, int(given) if given else None) <= size(shared) < memory


def test_a_rollout_pod_asks_for_a_core_a_runner() -> None:
    """A rollout pod requests one core per runner and fits on a 16-core node with a core left for Kubernetes and Ray."""
    [container] = GROUPS["rollout"]["template"]["spec"]["containers"]
    requests = container["resources"]["requests"]
    assert requests["cpu"] == GROUPS["rollout"]["resources"]["rollout"]
    assert int(requests["cpu"]) < 16, "docs/cluster.md says so many cores a node"
    assert size(requests["memory"]) < 32 * UNITS["Gi"]


def test_the_image_asks_for_gpus() -> None:
    """The image sets the variables for which NVIDIA's container runtime gives GPUs to a container."""
    text = (ROOT / "cluster/deploy/Dockerfile").read_text().replace("\\\n", " ")
    env = dict(word.split("=") for line in text.splitlines() if line.startswith("ENV ") for word in line.split()[1:])
    assert env["NVIDIA_VISIBLE_DEVICES"] == "all"
    assert set(env["NVIDIA_DRIVER_CAPABILITIES"].split(",")) == {"compute", "utility"}

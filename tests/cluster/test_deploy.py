"""The cluster files are valid for Ray and KubeRay, give every node its role and require the token."""

from __future__ import annotations

import copy
import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.cluster.kuberay import MANIFESTS

ROOT = Path(__file__).parents[2]
LAUNCHER = {name: ROOT / name for name in ("ray_cluster.yaml", "cluster/deploy/on_premise.yaml")}
KUBERAY = sorted((ROOT / "cluster/deploy/kuberay").glob("*.yaml"))
DEPLOY = [*LAUNCHER.values(), *(path for path in (ROOT / "cluster/deploy").rglob("*") if path.is_file())]
ROLES = {"rollout", "replay", "learner"}
ENV = {
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_JOB_STOP_WAIT_TIME_S": "120",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",
    "RAY_worker_niceness": "0",
    "RAY_scheduler_spread_threshold": "0",
    "RAY_health_check_period_ms": "5000",
    "RAY_health_check_failure_threshold": "12",
}
SECRETS = re.compile(r"AKIA[0-9A-Z]{16}|-----BEGIN|\b[0-9a-fA-F]{32,}\b|[A-Za-z0-9+/]{40,}={0,2}")


def load(path: Path) -> dict[str, Any]:
    """Return the single document of a YAML file."""
    value: dict[str, Any] = yaml.safe_load(path.read_text())
    return value


def validate(config: dict[str, Any]) -> None:
    """Validate a cluster file as `ray up` does before it contacts a machine."""
    from ray.autoscaler._private.util import prepare_config, validate_config

    validate_config(prepare_config(config))


def manifest(kind: str) -> dict[str, Any]:
    """Return the manifest of a kind."""
    [found] = [value for value in map(load, KUBERAY) if value["kind"] == kind]
    return found


def start(command: str, folder: Path, address: str = "192.0.2.10") -> tuple[list[str], dict[str, str]]:
    """Run a start command on a machine with this address; return the arguments and environment given to `ray`."""
    programs = folder / "quarterdeck/.venv/bin"
    programs.mkdir(parents=True, exist_ok=True)
    for name, line in {"ray": 'printf "%s\\n" "$#" "$@"; env', "hostname": f"echo '{address} 172.17.0.1 '"}.items():
        (programs / name).write_text(f"#!/bin/sh\n{line}\n")
        (programs / name).chmod(0o755)
    env = {"HOME": str(folder), "PATH": f"{programs}:{os.environ['PATH']}", "RAY_HEAD_IP": "192.0.2.10"}
    done = subprocess.run(["bash", "-c", command], env=env, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(done.stderr)
    count, *lines = done.stdout.splitlines()
    arguments, told = lines[: int(count)], lines[int(count) :]
    return arguments, dict(line.split("=", 1) for line in told if "=" in line)


@pytest.mark.parametrize("name", LAUNCHER)
def test_ray_accepts_the_file_and_would_refuse_a_wrong_one(name: str) -> None:
    """Ray's own validator accepts the file and rejects a misspelt field."""
    config = load(LAUNCHER[name])
    validate(copy.deepcopy(config))
    with pytest.raises(jsonschema.ValidationError):
        validate(config | {"idle_timeout": 3})


def test_half_a_resource_is_refused() -> None:
    """Ray's validator rejects half a resource, so roles are whole numbers."""
    config = load(LAUNCHER["ray_cluster.yaml"])
    config["available_node_types"]["rollout"]["resources"]["rollout"] = 0.5
    with pytest.raises(jsonschema.ValidationError):
        validate(config)


@pytest.mark.parametrize("name", LAUNCHER)
@pytest.mark.parametrize("kind", ["head", "worker"])
def test_every_ray_starts_in_token_mode(name: str, kind: str, tmp_path: Path) -> None:
    """Start commands give `ray start` the settings; the head's dashboard listens on loopback."""
    stop, command = load(LAUNCHER[name])[f"{kind}_start_ray_commands"]
    assert stop.endswith("ray stop")
    arguments, env = start(command, tmp_path, "192.0.2.11")
    assert arguments[0] == "start"
    assert env.items() >= ENV.items()
    assert "on_premise" not in name or env["PATH"].startswith(f"{tmp_path}/quarterdeck/.venv/bin:")
    if kind == "head":
        assert {"--head", "--dashboard-host=127.0.0.1", "--autoscaling-config=~/ray_bootstrap_config.yaml"} < {
            *arguments
        }
        assert env["AUTOSCALER_HEARTBEAT_TIMEOUT_S"] == "90"
        assert env.get("RAY_enable_autoscaler_v2") == ("0" if "on_premise" in name else None)
    else:
        assert "--address=192.0.2.10:6379" in arguments


@pytest.mark.parametrize("name", LAUNCHER)
def test_the_token_is_a_file_of_its_owner(name: str) -> None:
    """The token is copied as a file that only its owner can read."""
    config = load(LAUNCHER[name])
    assert config["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    assert "chmod 600 ~/.ray/auth_token" in config["setup_commands"]


def test_the_cloud_has_a_node_type_for_every_role() -> None:
    """Runners are on spot nodes, learners on GPUs, none on the head; all nodes name security groups for SSH."""
    types = load(LAUNCHER["ray_cluster.yaml"])["available_node_types"]
    roles = {name: ROLES & set(node["resources"]) for name, node in types.items()}
    assert roles == {"head": set(), "rollout": {"rollout"}, "learner": {"learner", "replay"}}
    assert types["rollout"]["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert types["learner"]["resources"]["GPU"] == types["learner"]["resources"]["learner"]
    assert all(node["node_config"]["SecurityGroupIds"] for node in types.values())


@pytest.mark.parametrize(
    ("address", "roles"),
    [("192.0.2.11", '{"rollout": 15}'), ("192.0.2.21", '{"learner": 1, "replay": 4}')],
)
def test_a_machine_of_yours_gets_the_role_of_its_address(address: str, roles: str, tmp_path: Path) -> None:
    """A machine looks up its role by its own address."""
    command = load(LAUNCHER["cluster/deploy/on_premise.yaml"])["worker_start_ray_commands"][1]
    assert f"--resources={roles}" in start(command, tmp_path, address)[0]


def test_every_file_of_an_install_is_on_the_machine() -> None:
    """Machines and the image get the lock and the files that `pip install .` reads besides the code."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {"pyproject.toml", "requirements.lock", project["readme"], *project["license-files"]}
    mounts = load(LAUNCHER["cluster/deploy/on_premise.yaml"])["file_mounts"]
    assert {there: here for there, here in mounts.items() if there.startswith("~/quarterdeck/")} == {
        f"~/quarterdeck/{name}": name for name in needed
    }
    dockerfile = (ROOT / "cluster/deploy/Dockerfile").read_text()
    (copied,) = re.findall(r"^COPY (.*pyproject\.toml.*) \./$", dockerfile, re.MULTILINE)
    assert set(copied.split()) == needed
    assert all((ROOT / name).is_file() for name in needed)


def test_a_machine_without_a_role_does_not_start(tmp_path: Path) -> None:
    """The start of a machine without a role fails with one line; a role's address matches only as a whole."""
    command = load(LAUNCHER["cluster/deploy/on_premise.yaml"])["worker_start_ray_commands"][1]
    with pytest.raises(OSError, match=r"has no role: give its address one in on_premise\.yaml"):
        start(command, tmp_path, "192.0.2.110")


@pytest.mark.parametrize("path", KUBERAY, ids=lambda path: path.name)
def test_kuberay_takes_the_manifest(path: Path) -> None:
    """The manifest is valid for the schemas of KubeRay and Kubernetes."""
    value = load(path)
    jsonschema.validate(value, MANIFESTS[value["kind"]])


def test_kuberay_would_refuse_wrong_manifests() -> None:
    """A misspelt field, a wrong mode, half a resource, a group's timeout with v1 and a number as text are rejected."""
    cluster = manifest("RayCluster")
    group = {**cluster["spec"]["workerGroupSpecs"][0], "resources": {"rollout": "0.5"}}
    changes: list[dict[str, Any]] = [
        {"authOption": cluster["spec"]["authOptions"]},
        {"authOptions": {"mode": "none"}},
        {"workerGroupSpecs": [group]},
        {"autoscalerOptions": {"version": "v1"}},
    ]
    for change in changes:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(cluster | {"spec": cluster["spec"] | change}, MANIFESTS["RayCluster"])
    job = manifest("RayJob")
    job["spec"]["submitterPodTemplate"]["spec"]["containers"][0]["env"][0]["value"] = 1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(job, MANIFESTS["RayJob"])


def test_kubernetes_has_the_same_roles_and_the_same_locks() -> None:
    """Pods have roles, the token by Secret, the settings and no privileges; the network policy selects all of them."""
    spec = manifest("RayCluster")["spec"]
    assert spec["authOptions"] == {"mode": "token", "secretName": "quarterdeck-token"}
    roles = {group["groupName"]: set(group["resources"]) for group in spec["workerGroupSpecs"]}
    assert roles == {"rollout": {"rollout"}, "learner": {"learner", "replay"}}
    pods = [spec["headGroupSpec"]["template"], *(group["template"] for group in spec["workerGroupSpecs"])]
    for pod in pods:
        [container] = pod["spec"]["containers"]
        assert {item["name"]: item["value"] for item in container["env"]} == ENV
    policy = manifest("NetworkPolicy")["spec"]
    for pod in [*pods, manifest("RayJob")["spec"]["submitterPodTemplate"]]:
        assert pod["metadata"]["labels"] == policy["podSelector"]["matchLabels"]
        assert pod["spec"]["securityContext"]["runAsNonRoot"]
        assert all(not one["securityContext"]["allowPrivilegeEscalation"] for one in pod["spec"]["containers"])
    assert spec["headGroupSpec"]["serviceType"] == "ClusterIP"


def test_the_image_installs_from_the_lock() -> None:
    """The image has the locked versions and runs without root; the builder's .git, .venv and runs are left out."""
    lines = (ROOT / "cluster/deploy/Dockerfile").read_text().replace("\\\n", "").splitlines()
    installs = [line for line in lines if "pip install" in line]
    assert installs
    assert all("--constraint requirements.lock" in line or "--no-deps" in line for line in installs)
    assert "USER ray" in lines
    ray = next(line for line in (ROOT / "requirements.lock").read_text().splitlines() if line.startswith("ray=="))
    assert ray.removeprefix("ray==") == manifest("RayCluster")["spec"]["rayVersion"]
    assert {".git", ".venv", "runs"} <= set((ROOT / ".dockerignore").read_text().splitlines())


@pytest.mark.parametrize("path", DEPLOY, ids=lambda path: path.name)
def test_no_file_holds_a_secret(path: Path) -> None:
    """No deployment file matches the pattern of keys and tokens, which does match a random token."""
    assert SECRETS.findall(path.read_text()) == []
    assert SECRETS.search("token: " + os.urandom(32).hex())

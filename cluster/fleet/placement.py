"""Placement of actors by custom resources of nodes, one unit per actor of a role."""

from __future__ import annotations

import os

import ray
import torch

from agents.settings import SpreadSettings
from training.device import usable_gpu

RUNNER, SHARD, LEARNER = "rollout", "replay", "learner"
EVALUATOR_PART = 0.01  # of a rollout slot, left free by runners so that the evaluator fits on full nodes


def unit(settings: SpreadSettings, role: str, amount: float = 1) -> dict[str, float]:
    """Return the custom resource required by an actor of `role`; none if `fleet.roles` is off."""
    return {role: amount} if settings.fleet.roles else {}


def missing(settings: SpreadSettings) -> str:
    """Describe the slots that the cluster lacks for this run; empty if none."""
    if not settings.fleet.roles:
        return ""
    fleet, offered = settings.fleet, ray.cluster_resources()
    wanted = {RUNNER: fleet.runners, SHARD: fleet.shards, LEARNER: fleet.learners}
    lacking = {role: n for role, n in wanted.items() if n > offered.get(role, 0)}
    parts = [f"{n} {role} slots (the nodes offer {offered.get(role, 0):g})" for role, n in lacking.items()]
    return f"waiting for {', '.join(parts)}" if parts else ""


def resolve_device(device: str, learners: int) -> str:
    """Return the device of learners on this cluster, with `auto` resolved.

    On a local machine `auto` is a GPU if there is one; learner actors on GPUs need one each. On a cluster it is a GPU
    or an error, so that nobody pays for GPU nodes and trains on CPUs. With an explicit device, nodes may join later.

    Raises:
        ValueError: there are too few GPUs.
    """
    own = "RAY_ADDRESS" not in os.environ
    if own and device == "auto":
        device = "cuda" if usable_gpu() else "cpu"
    if device == "cpu" or (learners == 0 if own else device != "auto"):
        return device
    gpus = int(ray.cluster_resources().get("GPU", 0)) if learners else torch.cuda.device_count()
    if gpus < max(learners, 1):
        where = "this machine" if own else "the cluster" if learners else "the node of the main process"
        elsewhere = "--learner.device cuda to wait for GPU nodes" if learners else "--fleet.learners 1 to learn on one"
        other = "lower --fleet.learners" if own else elsewhere
        raise ValueError(
            f"{where} has {gpus} GPUs for {max(learners, 1)} learners: say --learner.device cpu to train on CPUs, "
            f"or {other}"
        )
    return "cuda" if device == "auto" else device


def gpus_per_learner(settings: SpreadSettings) -> int:
    """Return the GPUs that a learner actor reserves (Ray hides others); for `auto`, 1 if there is one per learner."""
    device = settings.learner.device
    if device != "auto":
        return int(device.startswith("cuda"))
    here = ray.cluster_resources().get("GPU", 0) if ray.is_initialized() else torch.cuda.device_count()
    return int(here >= settings.fleet.learners)

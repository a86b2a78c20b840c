"""Where actors may live: custom resources that nodes offer, one unit for each actor of a kind."""

from __future__ import annotations

import os

import ray
import torch

from agents.settings import SpreadSettings
from training.device import usable_gpu

RUNNER, SHARD, LEARNER = "rollout", "replay", "learner"
EVALUATOR_PART = 0.01  # of a rollout slot: runners leave it, so that full nodes still have room for the evaluation


def unit(settings: SpreadSettings, role: str, amount: float = 1) -> dict[str, float]:
    """The custom resource that an actor of `role` asks for; none where `fleet.roles` is off."""
    return {role: amount} if settings.fleet.roles else {}


def missing(settings: SpreadSettings) -> str:
    """What this run will ask of the cluster's nodes and does not find there yet; empty if nothing is missing."""
    if not settings.fleet.roles:
        return ""
    fleet, offered = settings.fleet, ray.cluster_resources()
    wanted = {RUNNER: fleet.runners, SHARD: fleet.shards, LEARNER: fleet.learners}
    lacking = {role: n for role, n in wanted.items() if n > offered.get(role, 0)}
    parts = [f"{n} {role} slots (the nodes offer {offered.get(role, 0):g})" for role, n in lacking.items()]
    return f"waiting for {', '.join(parts)}" if parts else ""


def resolve_device(device: str, learners: int) -> str:
    """The device of a learner in this cluster, where `auto` stands for one.

    On a machine of one's own that is a GPU where there is one, and learner actors on GPUs need one each. On a cluster
    it is a GPU or an error: nobody should pay for GPU nodes and train on CPUs unawares. Nodes may join it later.

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
    """GPUs that a learner actor reserves, without which it sees none: 1 where `auto` finds one for each learner."""
    device = settings.learner.device
    if device != "auto":
        return int(device.startswith("cuda"))
    here = ray.cluster_resources().get("GPU", 0) if ray.is_initialized() else torch.cuda.device_count()
    return int(here >= settings.fleet.learners)

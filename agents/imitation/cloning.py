"""Checks of the settings of behaviour cloning and `offline`, and construction of a cloning run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from agents.evaluation.protocol import check_rules
from agents.imitation.dataset import open_dataset
from agents.imitation.labels import Labels, split
from agents.imitation.learner import CloningLearner
from agents.imitation.run import DatasetRun
from agents.imitation.settings import CloningSettings, DatasetSettings, OfflineSettings
from agents.networks.q_network import QNetwork
from envs.base import EnvSettings
from envs.registry import read_spec, require_frames
from training.device import resolve_device

S = TypeVar("S", bound=DatasetSettings)


def with_dataset_env(settings: S, defaults: S) -> S:
    """Return the settings with the env of the data set and the absolute path of its folder.

    Raises:
        ValueError: the settings name another env, or the data set cannot be read.
    """
    if not settings.dataset:
        return settings
    dataset = open_dataset(settings.dataset)
    if dataset.env is not None and settings.env not in (EnvSettings(), dataset.env):
        raise ValueError(
            f"{settings.dataset} was played in {dataset.env.id} by its own rules: leave --env and them out"
        )
    return replace(settings, dataset=str(dataset.path.absolute()), env=dataset.env or settings.env)


def check(settings: CloningSettings | OfflineSettings) -> int:
    """Check that env, network and data set fit each other; return 0, the bytes to reserve for replay.

    Raises:
        ValueError: they do not.
    """
    spec = read_spec(settings.env)
    require_frames(settings.env.id, spec)
    check_rules(settings)
    QNetwork(settings.network, spec.frame_shape, spec.num_actions)
    if settings.dataset and (recorded := open_dataset(settings.dataset).spec) != spec:
        seen = f"frames {list(recorded.frame_shape)} of {recorded.frame_dtype} and {recorded.num_actions} actions"
        mine = f"frames {list(spec.frame_shape)} of {spec.frame_dtype} and {spec.num_actions} actions"
        raise ValueError(f"{settings.dataset} has {seen}, {settings.env.id} has {mine}: name the env it is of, --env")
    resolve_device(settings.learner.device, "learner.device")
    return 0


def make_cloning(settings: CloningSettings, defaults: CloningSettings, folder: Path) -> DatasetRun:
    """Build the run of a classifier with its labels, in this process."""
    dataset = open_dataset(settings.dataset)
    train, held = split(dataset, settings.holdout, settings.labels, settings.seed)
    stack, device = settings.network.stack, resolve_device(settings.learner.device, "learner.device")
    labels = Labels(train, dataset, stack=stack, device=device)
    held_out = Labels(held, dataset, stack=stack, device=device) if settings.holdout else None
    learner = CloningLearner(settings.learner, settings.network, dataset.spec, labels, held_out, seed=settings.seed)
    return DatasetRun(settings, learner, len(labels), defaults)

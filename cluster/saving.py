"""Checkpoints of a fleet: ours, which loading never executes, and beside it the small files that RLlib looks for."""

from __future__ import annotations

import importlib
import json
import pickle
from pathlib import Path
from typing import Any, Literal

import ray
from ray.rllib.utils.checkpoints import Checkpointable

from agents import checkpoint

FOLDER = "quarterdeck"  # the directory of ours inside a checkpoint of RLlib's
# Fields of RLlib's that no setting of ours holds. Callbacks and the like are code, and code is not saved.
KEPT = ("num_env_runners", "num_learners", "num_gpus_per_learner", "min_time_s_per_iteration", "evaluation_interval")
SHARD_TIMEOUT = 600.0  # seconds a shard may take to write or read itself
SHARD_RETRIES = 3  # a shard that dies meanwhile does it again once it is back


def kept_fields(config: Any) -> dict[str, Any]:
    """What a config holds beside the settings, as plain values."""
    return {name: getattr(config, name) for name in KEPT}


def local_folder(path: Any) -> Path:
    """The absolute directory of a path, or of a `Checkpoint` as Tune's results hold it."""
    return Path(path.to_directory() if hasattr(path, "to_directory") else path).absolute()


def saved_config(folder: Path) -> dict[str, Any]:
    """The config, as plain values, of the algorithm that was saved to `folder`.

    Raises:
        agents.checkpoint.CheckpointError: there is none, or it is damaged.
    """
    own = folder / FOLDER
    return {**checkpoint.load(own, only="settings"), **checkpoint.load(own, only="rllib")["rllib"]}


def write_rllib_files(folder: Path, algo: Checkpointable, config: dict[str, Any]) -> None:
    """What `Algorithm.from_checkpoint` wants to know: which class to call, with which config.

    RLlib unpickles this, so give it only checkpoints that you trust; `Quarterdeck.from_checkpoint` does not open it.
    """
    # Tune trains a copy of the class, which has no name of its own: write down the one that can be imported.
    original = getattr(importlib.import_module(type(algo).__module__), type(algo).__qualname__)
    call = {"class": original, "ctor_args_and_kwargs": ((config,), {})}
    (folder / algo.CLASS_AND_CTOR_ARGS_FILE_NAME).write_bytes(pickle.dumps(call))
    (folder / f"{algo.STATE_FILE_NAME}.msgpack").write_bytes(b"\x80")  # an empty map: RLlib wants to see the file
    metadata = {**algo.get_metadata(), "checkpoint_version": "2.1"}
    (folder / algo.METADATA_FILE_NAME).write_text(json.dumps(metadata))


def each_shard(verb: Literal["save", "load"], shards: list[Any], path: Path) -> None:
    """Every shard writes, or reads back, its own part under `path`: frames never pass through the driver."""
    methods = [getattr(shard, verb).options(max_task_retries=SHARD_RETRIES) for shard in shards]
    parts = [str(path.absolute() / f"replay-{index}") for index in range(len(shards))]
    ray.get([method.remote(part) for method, part in zip(methods, parts, strict=True)], timeout=SHARD_TIMEOUT)

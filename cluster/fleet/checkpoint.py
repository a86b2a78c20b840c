"""Checkpoints of a fleet: our format, which contains no code, and the small files that RLlib requires."""

from __future__ import annotations

import importlib
import json
import pickle
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

import ray
from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.callbacks.utils import make_callback
from ray.rllib.utils.checkpoints import Checkpointable

from agents.saved_policy import FOLDER
from cluster.fleet.learner import error_of
from cluster.fleet.replay import replay_in, require_replay
from cluster.lost import LOST, UNSTARTABLE
from training.messages import say
from training.settings import to_dict
from training.storage import checkpoint
from training.storage.older import settings_in_todays_words

# RLlib fields that are not settings of ours. Callbacks and other code are not saved.
KEPT = ("num_env_runners", "num_learners", "num_gpus_per_learner", "min_time_s_per_iteration", "evaluation_interval")
SHARD_TIMEOUT = 600.0  # seconds for a shard to write or read its part
BACK_TIMEOUT = 60.0  # seconds for a dead shard to restart
ASK_AGAIN = 1.0  # seconds between two polls of a restarting shard
LOAD_TIMEOUT = 300.0  # seconds to publish the restored weights


def kept_fields(config: Any) -> dict[str, Any]:
    """Return the saved fields of a config besides the settings, as plain values."""
    return {name: getattr(config, name) for name in KEPT}


def local_folder(path: Any) -> Path:
    """Return the absolute directory of a path, a file:// URL or a Tune `Checkpoint`.

    Raises:
        ValueError: it is not on this machine.
    """
    path = path.to_directory() if hasattr(path, "to_directory") else path
    place = urlsplit(str(path))
    if "://" not in str(path):
        return Path(path).absolute()
    if place.scheme != "file" or place.netloc not in ("", "localhost"):
        raise ValueError(f"{path} is no folder of this machine: save to one and copy it, or let Tune store checkpoints")
    return Path(unquote(place.path)).absolute()


def saved_config(folder: Path) -> dict[str, Any]:
    """Return the config, as plain values, of the algorithm saved in `folder`.

    Raises:
        training.storage.checkpoint.CheckpointError: it is missing or damaged.
    """
    own = folder / FOLDER
    settings = checkpoint.load(own, only="settings")["settings"]
    return {"settings": settings_in_todays_words(settings), **checkpoint.load(own, only="rllib")["rllib"]}


def importable(kind: type) -> type:
    """Return the nearest base that can be imported by name; Tune trains copies or subclasses of a class."""
    for one in kind.__mro__:
        found = getattr(importlib.import_module(one.__module__), one.__qualname__, None)
        if isinstance(found, type) and issubclass(found, Checkpoints):
            return found
    raise ValueError(f"{kind.__qualname__} cannot be imported by its name: define it at the top of a module")


def write_rllib_files(folder: Path, algo: Checkpointable, config: dict[str, Any]) -> None:
    """Write the files of `Algorithm.from_checkpoint`: the class to construct and its config.

    RLlib unpickles them, so use it for trusted checkpoints only; `Quarterdeck.from_checkpoint` does not read them.
    """
    call = {"class": importable(type(algo)), "ctor_args_and_kwargs": ((config,), {})}
    (folder / algo.CLASS_AND_CTOR_ARGS_FILE_NAME).write_bytes(pickle.dumps(call))
    (folder / f"{algo.STATE_FILE_NAME}.msgpack").write_bytes(b"\x80")  # an empty map: RLlib requires the file
    metadata = {**algo.get_metadata(), "checkpoint_version": "2.1"}
    (folder / algo.METADATA_FILE_NAME).write_text(json.dumps(metadata))


def each_shard(verb: Literal["save", "load"], shards: list[Any], path: Path) -> None:
    """Let every shard save or load its own part under `path`, so that frames do not pass through the driver.

    A shard that dies meanwhile, or is killed after a timeout, is retried once it has restarted. If it does not restart
    within `BACK_TIMEOUT`, an empty part is saved, or loading fails.

    Raises:
        one of cluster.lost.LOST or UNSTARTABLE: a shard that should load did not restart.
    """
    methods = [getattr(shard, verb) for shard in shards]
    parts = [replay_in(path.absolute(), index) for index in range(len(shards))]
    asked = [method.remote(str(part)) for method, part in zip(methods, parts, strict=True)]
    ray.wait(asked, num_returns=len(asked), timeout=SHARD_TIMEOUT)  # let all finish before an error is raised
    for index, (method, part, ref) in enumerate(zip(methods, parts, asked, strict=True)):
        back_by, timeout = None, 0.0  # the wait above was the timeout
        while not wait_for_shard(ref, shards[index], index, timeout):
            timeout = SHARD_TIMEOUT
            back_by = back_by or time.monotonic() + BACK_TIMEOUT
            if time.monotonic() > back_by:
                if verb == "save":
                    checkpoint.save(part, {})
                else:
                    ray.get(ref, timeout=SHARD_TIMEOUT)  # raises, unless the shard has loaded by now
                break
            time.sleep(ASK_AGAIN)
            ref = method.remote(str(part))


def wait_for_shard(ref: Any, shard: Any, index: int, timeout: float) -> bool:
    """Wait `timeout` seconds for a shard; return False if it has died or not restarted yet.

    An unresponsive shard is killed, so that it cannot write into a finished checkpoint; Ray restarts it empty.
    """
    try:
        ray.get(ref, timeout=timeout)
    except ray.exceptions.GetTimeoutError:
        say(f"replay shard {index} has not answered for {SHARD_TIMEOUT:g} s; it starts again, empty")
        ray.kill(shard, no_restart=False)
        return False
    except (*LOST, *UNSTARTABLE):
        return False
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None  # such as a full disk or a damaged part
    return True


class Checkpoints(Algorithm):
    """Saving and restoring of `cluster.fleet.algorithm.Quarterdeck`, under RLlib's names."""

    def save_to_path(self, path: Any = None, **_: Any) -> str:
        """Write a checkpoint of plain arrays and JSON; return its absolute path."""
        folder = local_folder(path if path is not None else tempfile.mkdtemp(prefix="quarterdeck-"))
        checkpoint.save(folder / FOLDER, self.get_state(), self.save_replay)
        write_rllib_files(folder, self, saved_config(folder))
        return str(folder)

    def restore_from_path(self, path: Any, *_: Any, **__: Any) -> None:
        """Restore a checkpoint of `save_to_path` without executing anything in it."""
        self.load(local_folder(path) / FOLDER)
        self.call_back("on_checkpoint_loaded")

    def load_checkpoint(self, checkpoint_dir: str) -> None:
        """Restore for Tune and `restore`; RLlib's method would call the callbacks twice."""
        self.restore_from_path(checkpoint_dir)

    def call_back(self, hook: str, **arguments: Any) -> None:
        """Call a hook of the config's callbacks."""
        functions = getattr(self.config, f"callbacks_{hook}")
        make_callback(hook, self.callbacks, functions, kwargs={"algorithm": self, **arguments})

    @classmethod
    def from_checkpoint(cls, path: Any, **_: Any) -> Checkpoints:
        """Build the algorithm saved by `save_to_path`, with replay and counters.

        Nothing in the checkpoint is executed; `Algorithm.from_checkpoint`, which can also read it, unpickles files.
        """
        folder = local_folder(path)
        algo = cls(saved_config(folder))
        algo.restore_from_path(folder)
        return algo

    def load(self, path: Path) -> None:
        """Restore a checkpoint of our format."""
        self.set_state(checkpoint.load(path))
        if self.shards:
            each_shard("load", self.shards, path)
        else:
            self._each_replay(lambda learner: learner.load_replay(str(path.absolute())))

    def save_replay(self, path: Path) -> None:
        """Let every shard or learner write its part of replay under `path`.

        Raises:
            training.storage.checkpoint.CheckpointError: a part is on another machine's disk.
        """
        if self.shards:
            each_shard("save", self.shards, path)
        else:
            self._each_replay(lambda learner: learner.save_replay(str(path.absolute())))
        require_replay(path, len(self.shards) or max(self.settings.fleet.learners, 1))

    def _each_replay(self, call: Callable[[Any], None]) -> None:
        """Run `call(learner)` in every learner and raise the first error, such as a full disk or a damaged part."""
        for error in self._each_learner(lambda learner: error_of(call, learner)):
            if error is not None:
                raise error

    def get_state(self, components: Any = None, *, not_components: Any = None, **kwargs: Any) -> dict[str, Any]:
        """Return all state but replay, as a tree of arrays and values. RLlib requests components for runners: none."""
        if components is not None:
            return {}
        return {
            "settings": to_dict(self.settings),
            "rllib": kept_fields(self.config),
            "iteration": self.iteration,
            "stats": self.stats.state(),
            "limiter": self.limiter.state(),
            "learner": self._each_learner(lambda learner: learner.core.state())[0],
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore networks, optimiser and counters of `get_state`; episodes are not part of it."""
        saved = ray.put(state["learner"])
        self._each_learner(lambda learner: learner.core.load_state(ray.get(saved)))
        self.stats.load_state(state["stats"])
        self.limiter.load_state(state["limiter"])
        self._iteration = state["iteration"]
        self.results.go_on(self.metrics)
        ray.get(self._publish(), timeout=LOAD_TIMEOUT)

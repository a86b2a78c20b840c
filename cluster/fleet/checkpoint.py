"""Checkpoints of a fleet: ours, which loading never executes, and beside it the small files that RLlib looks for."""

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
from cluster.lost import LOST, UNBORN
from training.messages import say
from training.settings import to_dict
from training.storage import checkpoint
from training.storage.older import settings_in_todays_words

# Fields of RLlib's that no setting of ours holds. Callbacks and the like are code, and code is not saved.
KEPT = ("num_env_runners", "num_learners", "num_gpus_per_learner", "min_time_s_per_iteration", "evaluation_interval")
SHARD_TIMEOUT = 600.0  # seconds a shard may take to write or read itself
BACK_TIMEOUT = 60.0  # seconds in which a shard that died must be back
ASK_AGAIN = 1.0  # seconds between two questions whether it is
LOAD_TIMEOUT = 300.0  # seconds until runners must find the restored weights


def kept_fields(config: Any) -> dict[str, Any]:
    """What a config holds beside the settings, as plain values."""
    return {name: getattr(config, name) for name in KEPT}


def local_folder(path: Any) -> Path:
    """The absolute directory of a path, of a file:// address, or of a `Checkpoint` as Tune's results hold it.

    Raises:
        ValueError: it lies on no disk of this machine.
    """
    path = path.to_directory() if hasattr(path, "to_directory") else path
    place = urlsplit(str(path))
    if "://" not in str(path):
        return Path(path).absolute()
    if place.scheme != "file" or place.netloc not in ("", "localhost"):
        raise ValueError(f"{path} is no folder of this machine: save to one and copy it, or let Tune store checkpoints")
    return Path(unquote(place.path)).absolute()


def saved_config(folder: Path) -> dict[str, Any]:
    """The config, as plain values, of the algorithm that was saved to `folder`.

    Raises:
        training.storage.checkpoint.CheckpointError: there is none, or it is damaged.
    """
    own = folder / FOLDER
    settings = checkpoint.load(own, only="settings")["settings"]
    return {"settings": settings_in_todays_words(settings), **checkpoint.load(own, only="rllib")["rllib"]}


def importable(kind: type) -> type:
    """The nearest class that can be imported by its name: Tune trains copies, `tune.with_resources` a class on top."""
    for one in kind.__mro__:
        found = getattr(importlib.import_module(one.__module__), one.__qualname__, None)
        if isinstance(found, type) and issubclass(found, Checkpoints):
            return found
    raise ValueError(f"{kind.__qualname__} cannot be imported by its name: define it at the top of a module")


def write_rllib_files(folder: Path, algo: Checkpointable, config: dict[str, Any]) -> None:
    """What `Algorithm.from_checkpoint` wants to know: which class to call, with which config.

    RLlib unpickles this, so give it only checkpoints that you trust; `Quarterdeck.from_checkpoint` does not open it.
    """
    call = {"class": importable(type(algo)), "ctor_args_and_kwargs": ((config,), {})}
    (folder / algo.CLASS_AND_CTOR_ARGS_FILE_NAME).write_bytes(pickle.dumps(call))
    (folder / f"{algo.STATE_FILE_NAME}.msgpack").write_bytes(b"\x80")  # an empty map: RLlib wants to see the file
    metadata = {**algo.get_metadata(), "checkpoint_version": "2.1"}
    (folder / algo.METADATA_FILE_NAME).write_text(json.dumps(metadata))


def each_shard(verb: Literal["save", "load"], shards: list[Any], path: Path) -> None:
    """Every shard writes, or reads back, its own part under `path`: frames never pass through the driver.

    A shard that dies meanwhile, or is ended for its silence, is asked again once it is back. One that does not come
    back has nothing to save: its part says so, and whoever loads that part begins empty.

    Raises:
        one of cluster.lost.LOST or UNBORN: a shard that should load is gone for good.
    """
    methods = [getattr(shard, verb) for shard in shards]
    parts = [replay_in(path.absolute(), index) for index in range(len(shards))]
    asked = [method.remote(str(part)) for method, part in zip(methods, parts, strict=True)]
    ray.wait(asked, num_returns=len(asked), timeout=SHARD_TIMEOUT)  # nobody writes on once one has failed
    for index, (method, part, ref) in enumerate(zip(methods, parts, asked, strict=True)):
        back_by, timeout = None, 0.0  # all of them have had their time
        while not wait_for_shard(ref, shards[index], index, timeout):
            timeout = SHARD_TIMEOUT
            back_by = back_by or time.monotonic() + BACK_TIMEOUT
            if time.monotonic() > back_by:
                if verb == "load":
                    ray.get(ref, timeout=SHARD_TIMEOUT)
                checkpoint.save(part, {})
                break
            time.sleep(ASK_AGAIN)
            ref = method.remote(str(part))


def wait_for_shard(ref: Any, shard: Any, index: int, timeout: float) -> bool:
    """Wait `timeout` seconds for a shard's answer; False where it has died over it, or is not yet back.

    One that keeps silent is ended, so that it cannot write to a checkpoint that is whole without it. Ray starts it
    again, empty.
    """
    try:
        ray.get(ref, timeout=timeout)
    except ray.exceptions.GetTimeoutError:
        say(f"replay shard {index} has not answered for {SHARD_TIMEOUT:g} s; it starts again, empty")
        ray.kill(shard, no_restart=False)
        return False
    except (*LOST, *UNBORN):
        return False
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None  # a full disk or a damaged part, as it was there
    return True


class Checkpoints(Algorithm):
    """What `cluster.fleet.algorithm.Quarterdeck` saves and restores, with the names that RLlib's users know."""

    def save_to_path(self, path: Any = None, **_: Any) -> str:
        """Write plain arrays and JSON instead of RLlib's pickles; returns the absolute path."""
        folder = local_folder(path if path is not None else tempfile.mkdtemp(prefix="quarterdeck-"))
        checkpoint.save(folder / FOLDER, self.get_state(), self.save_replay)
        write_rllib_files(folder, self, saved_config(folder))
        return str(folder)

    def restore_from_path(self, path: Any, *_: Any, **__: Any) -> None:
        """Go on from `save_to_path`; nothing in the checkpoint is executed."""
        self.load(local_folder(path) / FOLDER)
        self.call_back("on_checkpoint_loaded")

    def load_checkpoint(self, checkpoint_dir: str) -> None:
        """For Tune and `restore`: RLlib's own would call back a second time."""
        self.restore_from_path(checkpoint_dir)

    def call_back(self, hook: str, **arguments: Any) -> None:
        """Call a hook of the config's callbacks."""
        functions = getattr(self.config, f"callbacks_{hook}")
        make_callback(hook, self.callbacks, functions, kwargs={"algorithm": self, **arguments})

    @classmethod
    def from_checkpoint(cls, path: Any, **_: Any) -> Checkpoints:
        """Build the algorithm that `save_to_path` wrote, with its replay and clocks.

        Nothing in the checkpoint is executed, whereas `Algorithm.from_checkpoint`, which also reads it, unpickles.
        """
        folder = local_folder(path)
        algo = cls(saved_config(folder))
        algo.restore_from_path(folder)
        return algo

    def load(self, path: Path) -> None:
        """Go on from one of our checkpoints."""
        self.set_state(checkpoint.load(path))
        if self.shards:
            each_shard("load", self.shards, path)
        else:
            self._each_replay(lambda learner: learner.load_replay(str(path.absolute())))

    def save_replay(self, path: Path) -> None:
        """Let every holder of replay write its own part under `path`.

        Raises:
            training.storage.checkpoint.CheckpointError: one has written to another machine's disk.
        """
        if self.shards:
            each_shard("save", self.shards, path)
        else:
            self._each_replay(lambda learner: learner.save_replay(str(path.absolute())))
        require_replay(path, len(self.shards) or max(self.settings.fleet.learners, 1))

    def _each_replay(self, call: Callable[[Any], None]) -> None:
        """`call(learner)` in every learner; a full disk or a damaged part there is one here."""
        for error in self._each_learner(lambda learner: error_of(call, learner)):
            if error is not None:
                raise error

    def get_state(self, components: Any = None, *, not_components: Any = None, **kwargs: Any) -> dict[str, Any]:
        """All but replay, as a tree of arrays and values. RLlib asks for parts of it to start runners, which pull."""
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
        """Take over `get_state`'s tree: networks, optimiser and clocks; runners begin new episodes."""
        saved = ray.put(state["learner"])
        self._each_learner(lambda learner: learner.core.load_state(ray.get(saved)))
        self.stats.load_state(state["stats"])
        self.limiter.load_state(state["limiter"])
        self._iteration = state["iteration"]
        self.results.go_on(self.metrics)
        ray.get(self._publish(), timeout=LOAD_TIMEOUT)

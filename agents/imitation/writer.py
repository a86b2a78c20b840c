"""Incremental writing of episodes into a new data set. Legend: T actions of an episode."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from agents.imitation.dataset import DATA, FILE, LIFE_LOST, METADATA, OURS, DatasetEpisode
from envs.base import EnvSettings, EnvSpec
from training.settings import to_dict
from training.storage.files import whole, write_json
from training.storage.resume import is_full

MINARI = "0.5.4"  # version of the layout: the first that allows images without JPEG
PIECE = 512  # steps of an episode that are buffered before they are written to disk
CHUNK = 64  # frames compressed together: neighbours are nearly the same
COLUMNS = {"actions": "i8", "rewards": "f4", "terminations": "?", "truncations": "?", LIFE_LOST: "?"}
ROOM = 16 << 20  # bytes of disk kept free, so that the file can still be closed when the disk is full
ERRNO = re.compile(r"errno = (\d+)")  # in an HDF5 error message
ID = re.compile(r"[-_\w]+-v\d+")


class DatasetWriter:
    """An open data set file, with counts of the labels and episodes written so far."""

    def __init__(self, file: h5py.File) -> None:
        self.file, self.labels, self.episodes = file, 0, 0

    def begin(self, frame: NDArray[Any]) -> EpisodeWriter:
        """Begin an episode with its first frame; it is stored and counted only if an action follows."""
        return EpisodeWriter(self, frame)

    def add(self, episode: DatasetEpisode) -> None:
        """Write a whole episode."""
        writer = self.begin(episode.frame[0])
        for frame, *columns in zip(episode.frame[1:], *episode[1:], strict=True):
            writer.add(frame, *columns)
        writer.end()


class EpisodeWriter:
    """Writer of one episode, in pieces, so that memory use does not grow with the length of the game."""

    def __init__(self, dataset: DatasetWriter, frame: NDArray[Any]) -> None:
        self.dataset, self.steps = dataset, 0
        self.group: Any = None  # HDF5 group, created by the first flush
        self.frames, self.rows = [frame], list[tuple[Any, ...]]()

    def add(
        self, frame: NDArray[Any], action: Any, reward: Any, terminated: Any, truncated: Any, life_lost: Any
    ) -> None:
        """Append an action, its outcome, and the frame after it."""
        self.frames.append(frame)
        self.rows.append((action, reward, terminated, truncated, life_lost))
        self.steps += 1
        self.dataset.labels += 1
        if len(self.rows) == PIECE:
            self._flush()

    def end(self) -> None:
        """End the episode; if it has not terminated, mark it as truncated."""
        if not self.steps:
            return
        self._flush()
        if not self.group["terminations"][-1]:
            self.group["truncations"][-1] = True
        self.group.attrs["total_steps"] = self.steps

    def _flush(self) -> None:
        if not self.rows:
            return
        needed = sum(frame.nbytes for frame in self.frames) + ROOM
        if shutil.disk_usage(self.dataset.file.filename).free < needed:  # h5py would print an error for each object
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self.group is None:
            self.group = self._group()
        _append(self.group["observations"], self.frames)
        for name, values in zip(COLUMNS, zip(*self.rows, strict=True), strict=True):
            _append(self.group[name], values)
        self.frames, self.rows = [], []

    def _group(self) -> h5py.Group:
        """Create the episode's group with resizable columns; Minari's infos have an entry for the first frame too."""
        group = self.dataset.file.create_group(f"episode_{self.dataset.episodes}")
        group.attrs["id"] = self.dataset.episodes
        self.dataset.episodes += 1
        frame, rows = self.frames[0], (min(CHUNK, len(self.frames)),)
        options = {"maxshape": (None, *frame.shape), "chunks": (*rows, *frame.shape), "compression": "gzip"}
        group.create_dataset("observations", (0, *frame.shape), frame.dtype, **options)
        for name, dtype in COLUMNS.items():
            first = int(name == LIFE_LOST)
            group.create_dataset(name, (first,), dtype, maxshape=(None,), chunks=(len(self.rows) + first,))
        return group


def _append(column: h5py.Dataset, values: Any) -> None:
    before = len(column)
    column.resize(before + len(values), axis=0)
    column[before:] = np.asarray(values, column.dtype)


@contextmanager
def new_dataset(folder: Path, env: EnvSettings, spec: EnvSpec, about: dict[str, Any]) -> Iterator[DatasetWriter]:
    """Create a data set in `folder`; after an error in the context nothing of it is left.

    Args:
        env: rules of the recorded games.
        about: further metadata as JSON values; must contain "player".

    Raises:
        ValueError: at the start, the actions are not discrete, or the folder is not empty or cannot be written; at the
            end, nothing was played.
        OSError: the disk is full.
    """
    _ = spec.num_actions  # raises for continuous actions before anything is played
    data, made = folder / DATA, not folder.exists()
    try:
        if not made and (not folder.is_dir() or any(folder.iterdir())):
            raise ValueError(f"{folder} is not an empty directory: name another --out")
        data.mkdir(parents=True)
    except OSError as error:
        raise ValueError(f"cannot write to {folder} ({error.strerror}): name another --out") from None
    try:
        with whole(data / FILE) as part:
            with h5py.File(part, "w", libver="latest") as file:
                writer = DatasetWriter(file)
                yield writer
                if not writer.labels:
                    raise ValueError("nothing was played, so there is no data set")
            size = part.stat().st_size / 1e6
            write_json(data / METADATA, metadata_of(folder.resolve().name, env, spec, about, writer, size))
    except BaseException as error:
        with contextlib.suppress(OSError):  # other files have appeared there
            data.rmdir()
            if made:
                folder.rmdir()
        if full := _full(error):
            raise OSError(f"{folder} is full ({full}): nothing is kept; make room, or name another --out") from None
        raise


def _full(error: BaseException) -> str:
    """Return the message of a full disk, or "" for other errors. HDF5 errors carry the errno only in their text."""
    if isinstance(error, (OSError, RuntimeError)) and (found := ERRNO.search(str(error))):
        error = OSError(int(found[1]), os.strerror(int(found[1])))
    return str(error.strerror) if isinstance(error, OSError) and is_full(error) else ""


def metadata_of(
    name: str, env: EnvSettings, spec: EnvSpec, about: dict[str, Any], writer: DatasetWriter, megabytes: float
) -> dict[str, Any]:
    """Return Minari's metadata, with our own fields under "quarterdeck"."""
    usable = re.sub(r"[^-_\w]", "-", name)
    return {
        "total_episodes": writer.episodes,
        "total_steps": writer.labels,
        "data_format": "hdf5",
        "jpeg_encoding": False,
        "observation_space": json.dumps(_box(spec)),
        "action_space": json.dumps({"type": "Discrete", "dtype": "int64", "start": 0, "n": spec.num_actions}),
        "dataset_id": usable if ID.fullmatch(usable) else f"{usable}-v0",
        "minari_version": MINARI,
        "dataset_size": round(megabytes, 1),
        "algorithm_name": about["player"],
        "description": f"single frames of {env.id}, raw rewards, whole games",
        OURS: {"env": to_dict(env), **about},
    }


def _box(spec: EnvSpec) -> dict[str, Any]:
    pixels = spec.frame_dtype == np.uint8
    low, high = (0, 255) if pixels else (float("-inf"), float("inf"))
    bounds = {name: np.full(spec.frame_shape, value).tolist() for name, value in (("low", low), ("high", high))}
    return {"type": "Box", "dtype": str(spec.frame_dtype), "shape": list(spec.frame_shape), **bounds}

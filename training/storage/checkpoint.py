"""Atomic checkpoints of plain arrays and JSON, one directory each. Loading executes no code.

A checkpoint `agent_steps-000001234` has `state.json` (the tree of values, with CRCs of itself and every file),
`arrays.safetensors` (small arrays, including weights) and `N.lz4` for each large array (replay's frames).
"""

from __future__ import annotations

import itertools
import json
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from training.storage.array_file import read_array, write_array
from training.storage.files import crc_of_file, sync, whole_folder

FORMAT = 2
LARGE = 1 << 24  # bytes from which an array has its own compressed file
MEND = "resume from an older one, or start anew"
State = dict[str, Any]
T = TypeVar("T")


class CheckpointError(ValueError):
    """A checkpoint is missing, damaged or foreign; arguments are the problem and the remedy."""

    def __str__(self) -> str:
        return ": ".join(map(str, self.args))


class OtherFormatError(CheckpointError):
    """A checkpoint is intact, but of another version of this project."""


def save(path: Path, state: State, write_parts: Callable[[Path], None] = lambda part: None) -> None:
    """Write `state` (nested dicts of arrays, numbers, strings, None) to the new directory `path`.

    The directory gets its name only when it is complete and synced. `write_parts` may add subdirectories, which are
    checkpoints themselves, such as those of replay shards.

    Raises:
        OSError: the disk is full or not writable. Nothing of the new checkpoint is left then, nor after an exception of
            `write_parts`.
    """
    with whole_folder(path) as part:
        _write(part, state, write_parts)


def _write(part: Path, state: State, write_parts: Callable[[Path], None]) -> None:
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    tree = _detach(state, arrays, "")
    small = {name: np.require(array, requirements="C") for name, array in arrays.items() if array.nbytes < LARGE}
    # safetensors' own writer does not report a full disk.
    (part / "arrays.safetensors").write_bytes(safetensors.numpy.save(small))
    large = [name for name in arrays if name not in small]
    for index, name in enumerate(large):
        write_array(part / f"{index}.lz4", arrays[name])
    write_parts(part)
    files = {file.name: crc_of_file(file) for file in sorted(part.iterdir()) if file.is_file()}
    record = {"format": FORMAT, "tree": tree, "large": large, "crc": files}
    (part / "state.json").write_text(json.dumps({**record, "own_crc": _crc_of(record)}))
    for name in (*files, "state.json"):
        sync(part / name)
    sync(part)  # entries must be on disk before the rename


def load(path: Path, only: str | None = None) -> State:
    """Load a checkpoint, or with `only` a branch of its tree, without reading other large files.

    Raises:
        CheckpointError: a file is missing, truncated or changed, or the format differs.
    """
    try:
        record = json.loads((path / "state.json").read_text())
        other, own = record["format"] != FORMAT, record.pop("own_crc", None)
        sealed = own == _crc_of(record)
        if other and (sealed or own is None):  # else the difference may be a flipped bit
            found = f"{path} has format {record['format']}, this version reads {FORMAT}"
            raise OtherFormatError(found, "use that version")
        if not sealed:
            raise CheckpointError(f"{path / 'state.json'} is damaged", MEND)
        large = {
            f"{i}.lz4": name for i, name in enumerate(record["large"]) if only is None or name.startswith(f"{only}/")
        }
        for name in ("arrays.safetensors", *large):
            if crc_of_file(path / name) != record["crc"][name]:
                raise CheckpointError(f"{path / name} is damaged", MEND)
        arrays = safetensors.numpy.load_file(path / "arrays.safetensors")
        arrays |= {name: read_array(path / file) for file, name in large.items()}
        tree = record["tree"] if only is None else {only: record["tree"][only]}
        state: State = _attach(tree, arrays, "")
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, EOFError, SafetensorError) as error:
        if isinstance(error, CheckpointError):
            raise
        found = f"{path} is no readable checkpoint ({error})"
        raise CheckpointError(found, "give a run that train has saved") from None
    return state


def is_whole(path: Path) -> bool:
    """Return whether `path` has a complete checkpoint."""
    return (path / "state.json").is_file()


def checksum(path: Path) -> int:
    """Return the checksum of a complete checkpoint, which identifies it among checkpoints of the same name."""
    found: int = json.loads((path / "state.json").read_text())["own_crc"]
    return found


def save_next(folder: Path, now: int, state: State, write_parts: Callable[[Path], None] = lambda part: None) -> Path:
    """Save under `folder`, then delete all but the two newest checkpoints.

    `now` is the run's clock: agent steps, images or samples, although names always begin with agent_steps.
    """
    path = folder / f"agent_steps-{now:012d}"
    save(path, state, write_parts)
    for old in complete(folder)[:-2]:
        doomed = old.rename(old.with_name(f"{old.name}.part"))  # a partly deleted directory must not look complete
        shutil.rmtree(doomed)
    return path


def latest(folder: Path) -> Path:
    """Return the newest complete checkpoint under `folder`.

    Raises:
        CheckpointError: there is none.
    """
    found = complete(folder)
    if not found:
        raise CheckpointError(f"no checkpoint in {folder}", "train first, or name another run directory")
    return found[-1]


def read_newest(folder: Path, read: Callable[[Path], T]) -> tuple[Path, T, dict[Path, str]]:
    """Return the newest checkpoint that `read` can read, its result, and the errors of newer ones by path.

    Raises:
        CheckpointError: there is none, all are damaged, or one is of another version.
    """
    latest(folder)
    errors: dict[Path, CheckpointError] = {}
    for path in reversed(complete(folder)):
        try:
            return path, read(path), {damaged: str(error.args[0]) for damaged, error in errors.items()}
        except OtherFormatError:
            raise
        except CheckpointError as error:
            errors[path] = error
    if len(errors) == 1:
        raise next(iter(errors.values()))
    raise CheckpointError("; ".join(str(error.args[0]) for error in errors.values()), "none is whole, start anew")


def put_aside(path: Path) -> Path:
    """Rename a damaged checkpoint so that it is ignored; return the new path."""
    names = (f"{path.name}.{number}.damaged" for number in itertools.count(1))
    return path.rename(path.with_name(next(name for name in names if not path.with_name(name).exists())))


def complete(folder: Path) -> list[Path]:
    """Return the complete checkpoints under `folder`, oldest first."""
    return sorted(path for path in folder.glob("agent_steps-*") if not path.suffix and path.is_dir())


def _detach(value: Any, arrays: dict[str, np.ndarray[Any, Any]], name: str) -> Any:
    """Replace every array of a tree by {"array": its path in the tree}."""
    if isinstance(value, dict):
        return {key: _detach(item, arrays, f"{name}/{key}" if name else str(key)) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        if name in arrays:
            raise ValueError(f"two arrays are called {name}: leave '/' out of the names of a tree")
        arrays[name] = value
        return {"array": name}
    if isinstance(value, np.generic):
        return value.item()
    return value


def _attach(tree: Any, arrays: dict[str, np.ndarray[Any, Any]], name: str) -> Any:
    if not isinstance(tree, dict):
        return tree
    if tree == {"array": name} and name in arrays:  # other dicts of this form are values
        return arrays[name]
    return {key: _attach(item, arrays, f"{name}/{key}" if name else key) for key, item in tree.items()}


def _crc_of(record: State) -> int:
    return zlib.crc32(json.dumps(record).encode())

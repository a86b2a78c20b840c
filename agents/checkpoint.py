"""Checkpoints: one directory per save, plain arrays and JSON, complete or absent. Loading executes nothing.

A checkpoint `agent_steps-000001234` holds `state.json` (the tree of values, with the CRC of itself and of every file),
`arrays.safetensors` (small arrays, the weights among them) and one `N.lz4` for each large array (replay's frames).
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lz4.frame
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

FORMAT = 1
LARGE = 1 << 24  # bytes from which an array gets a compressed file of its own
MEND = "delete this checkpoint and resume from an older one"
State = dict[str, Any]


class CheckpointError(ValueError):
    """A checkpoint is absent, damaged or not one of ours; the message names the mend."""


def save(path: Path, state: State, write_parts: Callable[[Path], None] = lambda part: None) -> None:
    """Write `state` (nested dicts of arrays, numbers, strings, None) to the new directory `path`.

    The directory appears under its name only when it is complete and on disk. `write_parts` may add directories of
    its own to it, each a checkpoint in itself: that is how replay shards save themselves.
    """
    part = path.with_name(path.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    tree = _detach(state, arrays, "")
    small = {name: np.require(array, requirements="C") for name, array in arrays.items() if array.nbytes < LARGE}
    save_file(small, part / "arrays.safetensors")
    large = [name for name in arrays if name not in small]
    for index, name in enumerate(large):
        _write_lz4(part / f"{index}.lz4", arrays[name])
    write_parts(part)
    files = {file.name: _crc(file) for file in sorted(part.iterdir()) if file.is_file()}
    record = {"format": FORMAT, "tree": tree, "large": large, "crc": files}
    (part / "state.json").write_text(json.dumps({**record, "own_crc": _crc_of(record)}))
    for name in (*files, "state.json"):
        with (part / name).open("rb") as handle:
            os.fsync(handle.fileno())
    old = path.with_name(f"{path.name}.old.part")
    shutil.rmtree(old, ignore_errors=True)
    if path.exists():
        path.rename(old)
    part.rename(path)
    shutil.rmtree(old, ignore_errors=True)


def load(path: Path, only: str | None = None) -> State:
    """Read what `save` wrote; with `only`, just that branch of the tree, without opening the rest's large files.

    Raises:
        CheckpointError: a file is missing, truncated or changed, or the format is another.
    """
    try:
        record = json.loads((path / "state.json").read_text())
        if record["format"] != FORMAT:
            raise CheckpointError(
                f"{path} has format {record['format']}, this version reads {FORMAT}: use that version"
            )
        if record.pop("own_crc") != _crc_of(record):
            raise CheckpointError(f"{path / 'state.json'} is damaged: {MEND}")
        large = {
            f"{i}.lz4": name for i, name in enumerate(record["large"]) if only is None or name.startswith(f"{only}/")
        }
        for name in ("arrays.safetensors", *large):
            if _crc(path / name) != record["crc"][name]:
                raise CheckpointError(f"{path / name} is damaged: {MEND}")
        arrays = load_file(path / "arrays.safetensors")
        arrays |= {name: _read_lz4(path / file) for file, name in large.items()}
        tree = record["tree"] if only is None else {only: record["tree"][only]}
        state: State = _attach(tree, arrays)
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{path} is no readable checkpoint ({error}): give a run that train has saved") from None
    return state


def save_next(
    folder: Path, agent_steps: int, state: State, write_parts: Callable[[Path], None] = lambda part: None
) -> Path:
    """Save under `folder`, then drop the older checkpoints but one."""
    path = folder / f"agent_steps-{agent_steps:012d}"
    save(path, state, write_parts)
    for old in complete(folder)[:-2]:
        doomed = old.rename(old.with_name(f"{old.name}.part"))  # half a directory must never pass for a whole one
        shutil.rmtree(doomed)
    return path


def latest(folder: Path) -> Path:
    """The newest complete checkpoint under `folder`.

    Raises:
        CheckpointError: there is none.
    """
    found = complete(folder)
    if not found:
        raise CheckpointError(f"no checkpoint in {folder}: train first, or name another run directory")
    return found[-1]


def complete(folder: Path) -> list[Path]:
    """The checkpoints under `folder` that are whole, oldest first."""
    return sorted(path for path in folder.glob("agent_steps-*") if path.suffix != ".part" and path.is_dir())


def _detach(value: Any, arrays: dict[str, np.ndarray[Any, Any]], name: str) -> Any:
    """Replace every array of a tree by {"array": its name}."""
    if isinstance(value, dict):
        return {key: _detach(item, arrays, f"{name}/{key}" if name else str(key)) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        arrays[name] = value
        return {"array": name}
    if isinstance(value, np.generic):
        return value.item()
    return value


def _attach(tree: Any, arrays: dict[str, np.ndarray[Any, Any]]) -> Any:
    if not isinstance(tree, dict):
        return tree
    if set(tree) == {"array"}:
        return arrays[tree["array"]]
    return {key: _attach(item, arrays) for key, item in tree.items()}


def _write_lz4(file: Path, array: np.ndarray[Any, Any]) -> None:
    header = json.dumps({"dtype": array.dtype.str, "shape": array.shape}).encode()
    with lz4.frame.open(file, "wb") as out:
        out.write(len(header).to_bytes(8, "little") + header)
        flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        for start in range(0, flat.size, LARGE):
            out.write(flat[start : start + LARGE].data)


def _read_lz4(file: Path) -> np.ndarray[Any, Any]:
    with lz4.frame.open(file, "rb") as source:
        header = json.loads(source.read(int.from_bytes(source.read(8), "little")))
        array = np.empty(header["shape"], np.dtype(header["dtype"]))
        flat = array.reshape(-1).view(np.uint8)
        for start in range(0, flat.size, LARGE):
            piece = source.read(min(LARGE, flat.size - start))
            flat[start : start + len(piece)] = np.frombuffer(piece, np.uint8)
    return array


def _crc_of(record: State) -> int:
    return zlib.crc32(json.dumps(record).encode())


def _crc(file: Path) -> int:
    crc = 0
    with file.open("rb") as handle:
        while piece := handle.read(LARGE):
            crc = zlib.crc32(piece, crc)
    return crc

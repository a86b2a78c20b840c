"""Recorded play on disk, in the layout of Minari (https://minari.farama.org/content/dataset_standards).

FOLDER/data holds `metadata.json` and `main_data.hdf5`, which has a group `episode_N` for every episode. Frames are
stored singly, not as stacks, and without loss (Minari's default for images is JPEG, which is lossy).
Legend: T actions of an episode.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from gymnasium.spaces import Discrete
from numpy.typing import NDArray

from envs.atari import game_name
from envs.base import EnvSettings, EnvSpec
from training.settings import from_dict

DATA, FILE, METADATA = "data", "main_data.hdf5", "metadata.json"
OURS = "quarterdeck"  # metadata key of our own fields; Minari ignores it
LIFE_LOST = "infos/life_lost"


class DatasetEpisode(NamedTuple):
    """An episode or a part of one: T actions and T + 1 frames, the last of which follows the last action."""

    frame: NDArray[Any]  # [T + 1, *frame_shape] uint8 or float32
    action: NDArray[np.int64]  # [T]
    reward: NDArray[np.float32]  # [T] raw
    terminated: NDArray[np.bool_]  # [T] the game ended with this action
    truncated: NDArray[np.bool_]  # [T] the game was cut off after this action
    life_lost: NDArray[np.bool_]  # [T] this action lost a life and the game went on

    def cut(self, steps: int) -> DatasetEpisode:
        """Return the episode's first `steps` actions."""
        frame, action, reward, *flags = self
        return DatasetEpisode(frame[: steps + 1], action[:steps], reward[:steps], *(flag[:steps] for flag in flags))


class Dataset(NamedTuple):
    """Metadata of a data set; episodes are read on demand."""

    path: Path
    spec: EnvSpec
    env: EnvSettings | None  # rules it was played under; None if another program wrote it
    steps: NDArray[np.int64]  # [episodes] T of each

    @property
    def labels(self) -> int:
        """Number of actions over all episodes."""
        return int(self.steps.sum())

    def episodes(self, numbers: Iterable[int]) -> Iterator[DatasetEpisode]:
        """Yield the episodes of these numbers.

        Raises:
            ValueError: the shapes or actions of one of them do not match the data set's spaces.
        """
        with h5py.File(self.path / DATA / FILE) as file:
            for number in numbers:
                yield self._episode(file[f"episode_{number}"])

    def _episode(self, group: h5py.Group) -> DatasetEpisode:
        frame, shape = group["observations"][()], self.spec.frame_shape
        steps = len(group["rewards"])
        if frame.shape != (steps + 1, *shape):
            raise ValueError(
                f"{self.path}: {group.name} has observations {list(frame.shape)}, and {[steps + 1, *shape]} belong to "
                "its actions: write images raw (Minari: jpeg_encoding=False)"
            )
        action = group["actions"][()].astype(np.int64)
        if action.shape != (steps,) or not ((action >= 0) & (action < self.spec.num_actions)).all():
            raise ValueError(f"{self.path}: {group.name} has actions that are none of 0 to {self.spec.num_actions - 1}")
        lost = group[LIFE_LOST][1:] if LIFE_LOST in group else np.zeros(steps, np.bool_)
        over, cut = (group[name][()].astype(np.bool_) for name in ("terminations", "truncations"))
        reward = group["rewards"][()].astype(np.float32)
        return DatasetEpisode(frame.astype(self.spec.frame_dtype, copy=False), action, reward, over, cut, lost)


def open_dataset(folder: str | Path) -> Dataset:
    """Open the data set in `folder`: one of ours, or any Minari data set with discrete actions.

    Raises:
        ValueError: there is none, it is damaged, or its observation or action space is not supported.
    """
    if not str(folder):
        raise ValueError("no data set is named: give --dataset FOLDER, which `quarterdeck record` has made")
    path = Path(folder)
    try:
        metadata = json.loads((path / DATA / METADATA).read_text())
        if metadata["data_format"] != "hdf5":
            raise ValueError(f"its format is {metadata['data_format']}, and hdf5 is read here")
        spec = _spec_of(json.loads(metadata["observation_space"]), json.loads(metadata["action_space"]))
        ours = metadata.get(OURS)
        env = from_dict(EnvSettings, ours["env"]) if ours else None
        with h5py.File(path / DATA / FILE) as file:
            groups = (file[f"episode_{number}"] for number in range(metadata["total_episodes"]))
            steps = np.array([len(group["rewards"]) for group in groups], np.int64)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is no readable data set ({error}): name one that `quarterdeck record` made") from None
    return Dataset(path, spec, env, steps)


def _spec_of(observations: dict[str, Any], actions: dict[str, Any]) -> EnvSpec:
    """Return the spec of Minari's serialised spaces.

    Raises:
        ValueError: a Q-network does not support these spaces.
    """
    if actions["type"] != "Discrete" or actions["start"] != 0:
        raise ValueError("its action space is not a Discrete that starts at 0")
    dtype = np.dtype(observations.get("dtype"))
    shape = tuple(observations.get("shape", ()))
    pixels = dtype == np.uint8 and len(shape) in (2, 3)
    if observations["type"] != "Box" or not (pixels or (dtype.kind == "f" and len(shape) == 1)):
        raise ValueError("its observations are neither pixels of bytes nor vectors of floats")
    return EnvSpec(shape, dtype if pixels else np.dtype(np.float32), Discrete(int(actions["n"])))


def emulator_frames(env: EnvSettings, labels: int) -> int:
    """Return the emulator frames of `labels` actions: `frame_skip` per action in Atari games, 1 in others."""
    return labels * (env.frame_skip if game_name(env.id) else 1)

"""Episodes of a data set in memory, as rows of replay with every frame once. Legend: B batch, T actions, R rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.imitation.dataset import Dataset, DatasetEpisode
from agents.replay.frames import blocks_shape, colours_of, to_blocks
from agents.replay.lanes import Lanes
from agents.replay.transitions import ACTION, Chunk, Index
from envs.base import EnvSpec
from training.device import moved
from training.process import require_memory

PIECE = 500  # most rows in a chunk
LIFE = 1  # `Chunk.life` of all chunks: there are no gaps between them


class EpisodeSubset(NamedTuple):
    """A selection of episodes of a data set, each with the number of its actions that are used."""

    numbers: Index  # [N]
    steps: Index  # [N]

    @property
    def rows(self) -> int:
        """Number of frames, the last one of each episode included."""
        return int(self.steps.sum()) + len(self.steps)

    def episodes(self, dataset: Dataset) -> Iterator[DatasetEpisode]:
        """Yield the selected episodes, each cut to its number of actions."""
        for episode, steps in zip(dataset.episodes(self.numbers), self.steps, strict=True):
            yield episode.cut(int(steps))


def split(dataset: Dataset, holdout: float, labels: int, seed: int) -> tuple[EpisodeSubset, EpisodeSubset]:
    """Split the episodes at random into a training set and a held-out set.

    Whole episodes are held out: neighbouring frames are nearly the same, so a split by frames would leak.

    Args:
        holdout: share of the episodes to hold out; at least one episode if above 0.
        labels: number of actions to train on, 0 for all. They are taken from the start of the shuffled training
            episodes, the last one cut, so a smaller set is a subset of a larger one with the same seed.

    Raises:
        ValueError: there are too few episodes or labels.
    """
    episodes = len(dataset.steps)
    held = max(round(holdout * episodes), 1) if holdout else 0
    if held >= episodes:
        raise ValueError(f"{dataset.path} has {episodes} episodes, none is left to train on: record more games")
    order = np.random.default_rng([seed, 2]).permutation(episodes)
    train, steps = order[held:], dataset.steps[order[held:]]
    if labels:
        if labels > steps.sum():
            raise ValueError(f"{dataset.path} has {steps.sum()} labels beside those held out: record more of them")
        steps = np.diff(np.minimum(np.cumsum(steps), labels), prepend=0)
    return EpisodeSubset(train[steps > 0], steps[steps > 0]), EpisodeSubset(order[:held], dataset.steps[order[:held]])


def chunks_of(episodes: Iterable[DatasetEpisode], piece: int = PIECE) -> Iterator[Chunk]:
    """Yield the episodes as chunks of one lane. An episode's last frame is a row too, with a dummy action of 0."""
    row = 0
    for episode in episodes:
        blocks = to_blocks(np.ascontiguousarray(episode.frame), colours_of(episode.frame.shape[1:]))
        action, reward = (np.append(column, 0)[:, None] for column in (episode.action, episode.reward))
        terminal = np.append(episode.terminated | episode.life_lost, False)[:, None]
        first = np.zeros_like(terminal)
        first[0] = True
        for begin in range(0, len(blocks), piece):
            part = slice(begin, begin + piece)
            columns = action[part].astype(ACTION), reward[part].astype(np.float32), terminal[part], first[part]
            yield Chunk(blocks[part, None], *columns, 0, 0, row, LIFE)
            row += len(blocks[part])


def check_memory(rows: int, spec: EnvSpec, device: str) -> None:
    """Check that the frames of a data set fit into memory.

    Raises:
        ValueError: they do not.
    """
    needed = rows * int(np.prod(blocks_shape(spec.frame_shape))) * spec.frame_dtype.itemsize
    require_memory(needed, "the data set", "use fewer labels", device)


class Labels(Lanes):
    """Frames, stored on `device`, with the action taken at each."""

    def __init__(self, share: EpisodeSubset, dataset: Dataset, *, stack: int, device: str = "cpu") -> None:
        check_memory(share.rows, dataset.spec, device)
        super().__init__(1, share.rows + 1, spec=dataset.spec, stack=stack, n_step=1, gamma=1.0, device=device)
        for chunk in chunks_of(share.episodes(dataset)):
            self.write(chunk)
        self.labelled: Index = np.flatnonzero(~self.first[1 : share.rows])  # an episode's last row has no action

    def __len__(self) -> int:
        return len(self.labelled)

    def batch(self, labels: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Return observations [B, P, K, D] and actions int64 [B] of labels in [0, len(self)), both on the device."""
        row = self.labelled[labels]
        action = torch.from_numpy(self.action[row].astype(np.int64))
        return self._stacks(np.zeros_like(row), row), moved(action, self.device)

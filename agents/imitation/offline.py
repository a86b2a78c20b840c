"""Offline deep Q-learning: replay is filled from a data set and no game is played.

The learner is that of `agents.dqn`. With `conservative` above 0 this is CQL (Kumar et al. 2020).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agents.dqn.learner import Learner
from agents.imitation.dataset import Dataset, open_dataset
from agents.imitation.labels import PIECE, EpisodeSubset, check_memory, chunks_of, split
from agents.imitation.run import DatasetRun
from agents.imitation.settings import OfflineSettings
from agents.replay.shard import ReplayShard
from agents.replay.transitions import ReplaySettings
from agents.updates import UpdateStats

FEWEST = 2 * PIECE  # smallest replay capacity in frames: a chunk may fill at most half a lane


class OfflineLearner:
    """A DQN learner with a fixed replay."""

    def __init__(self, settings: OfflineSettings, dataset: Dataset, share: EpisodeSubset) -> None:
        s = settings.learner
        self.learner = Learner(s, settings.network, dataset.spec, seed=settings.seed)
        self.network, self.device, self.batch_size = self.learner.policy, self.learner.device, s.batch_size
        self.precision = self.learner.settings.precision
        check_memory(share.rows, dataset.spec, self.device)
        # Spare room for one stack: the shard never samples rows whose stack may have been overwritten.
        room = max(share.rows + settings.network.stack, FEWEST)
        self.replay = ReplayShard(
            ReplaySettings(capacity=room, n_step=settings.n_step, learning_starts=0),
            lanes=1,
            spec=dataset.spec,
            stack=settings.network.stack,
            gamma=s.gamma,
            seed=settings.seed,
            device=self.device,
        )
        for chunk in chunks_of(share.episodes(dataset)):
            self.replay.add(chunk)

    def train(self, updates: int) -> UpdateStats:
        """Run `updates` updates on transitions drawn with replacement."""
        learned = self.learner.train(self.replay, updates)
        learned.version = None  # no policy of this run played the data
        return learned

    def held_out_metrics(self, most: int | None = None) -> dict[str, float]:
        """Return no metrics: nothing is held out."""
        return {}

    def state(self) -> dict[str, Any]:
        """Return the state that `load_state` needs to continue bit for bit; replay is refilled from the data set."""
        return {**self.learner.state(), "rng": self.replay.rng.bit_generator.state}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore the learner from `state`.

        Raises:
            ValueError: the saved networks are of another kind or for another game.
        """
        self.learner.load_state(state)
        self.replay.rng.bit_generator.state = state["rng"]


def make_offline(settings: OfflineSettings, defaults: OfflineSettings, folder: Path) -> DatasetRun:
    """Build the run of a learner with the whole data set, in this process."""
    dataset = open_dataset(settings.dataset)
    share, _ = split(dataset, 0.0, 0, settings.seed)
    learner = OfflineLearner(settings, dataset, share)
    return DatasetRun(settings, learner, dataset.labels, defaults)

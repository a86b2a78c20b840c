"""Deep Q-learning from a data set alone: replay is filled from it, and nothing is played.

The learner is that of `agents.dqn`. Where it is `conservative`, this is CQL (Kumar et al. 2020).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agents.dqn.learner import Learner
from agents.imitation.dataset import Dataset, open_dataset
from agents.imitation.labels import PIECE, Share, chunks_of, require_room, split
from agents.imitation.run import DatasetRun
from agents.imitation.settings import OfflineSettings
from agents.replay.shard import ReplayShard
from agents.replay.transitions import ReplaySettings
from agents.updates import UpdateStats

FEWEST = 2 * PIECE  # frames that a replay has room for, at least: a chunk is half a lane at most


class OfflineLearner:
    """A learner, and a replay that never changes."""

    def __init__(self, settings: OfflineSettings, dataset: Dataset, share: Share) -> None:
        s = settings.learner
        self.learner = Learner(s, settings.network, dataset.spec, seed=settings.seed)
        self.network, self.device, self.batch_size = self.learner.policy, self.learner.device, s.batch_size
        self.precision = self.learner.settings.precision
        require_room(share.rows, dataset.spec, self.device)
        # Room for a stack more than there is: rows whose stack may have been overwritten are never drawn.
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
        """So many updates from transitions that are drawn with replacement."""
        learned = self.learner.train(self.replay, updates)
        learned.version = None  # nobody's weights have acted
        return learned

    def held_out_metrics(self, most: int | None = None) -> dict[str, float]:
        """Nothing is held out."""
        return {}

    def state(self) -> dict[str, Any]:
        """Everything that `load_state` needs to go on bit for bit; the replay is the data set's."""
        return {**self.learner.state(), "rng": self.replay.rng.bit_generator.state}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over the state of a learner of the same shape.

        Raises:
            ValueError: the saved networks are of another kind or for another game.
        """
        self.learner.load_state(state)
        self.replay.rng.bit_generator.state = state["rng"]


def make_offline(settings: OfflineSettings, usual: OfflineSettings, folder: Path) -> DatasetRun:
    """A learner with the whole data set, in this process."""
    dataset = open_dataset(settings.dataset)
    share, _ = split(dataset, 0.0, 0, settings.seed)
    learner = OfflineLearner(settings, dataset, share)
    return DatasetRun(settings, learner, dataset.labels, usual)

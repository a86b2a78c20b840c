"""Samples per insert: limits collection and training to a fixed ratio, so results do not depend on machine speed.

Let C be the agent steps of one chunk of every collector and U = batch size / ratio those of one update. Then
samples / ratio lag the inserted steps by

* less than U after the learner has done all due updates, which the main loops do in every turn: between turns the
  ratio holds to within one batch;
* less than C + U within a turn, when chunks have just arrived, if collectors have one pending chunk each;
* less than 2 C + U if they have two, as on a fleet, however slow the learner is: after N inserts the ratio may be
  off by 2 C / N. `slack` allows this.

So a fast and a slow machine do the same number of updates, but replay may differ by 2 C agent steps at an update, and
the weights that played them by two chunks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(kw_only=True)
class SamplesPerInsert:
    """Counts of inserted agent steps and trained samples, and what is due (as in Reverb's SampleToInsertRatio).

    Training waits for `learning_starts` steps; every further step allows `ratio` samples.
    """

    ratio: float
    learning_starts: int  # agent steps
    inserted: int = 0  # agent steps in replay, ever
    sampled: int = 0  # transitions trained on, ever
    forfeited: float = 0.0  # samples dropped: replay was lost, or the ratio changed (below 0: added)

    def updates_due(self, batch_size: int) -> int:
        """Return the number of updates that the learner may do now."""
        earned = self.ratio * self._learned_from()
        return max(int((earned - self.sampled - self.forfeited) // batch_size), 0)

    def steps_ahead(self) -> float:
        """Return the agent steps not trained on yet; collectors stop when these and pending ones reach the slack."""
        return self.inserted - self.learning_starts - (self.sampled + self.forfeited) / self.ratio

    def slack(self, batch_size: int, chunk_steps: int) -> float:
        """Return how far collectors may be ahead: a chunk each (`chunk_steps` of the whole fleet) and one update.

        A chunk each keeps them busy while the learner trains. Without the update's share, a large batch at a small
        ratio would never become due: a deadlock.
        """
        return chunk_steps + batch_size / self.ratio

    def state(self) -> dict[str, Any]:
        """Return counters and ratio, for a checkpoint."""
        counters = {"inserted": self.inserted, "sampled": self.sampled, "forfeited": self.forfeited}
        return {**counters, "ratio": self.ratio}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore counters. If the ratio differs, it applies to new steps only."""
        self.inserted, self.sampled = state["inserted"], state["sampled"]
        changed = self.ratio - state.get("ratio", self.ratio)  # absent from older checkpoints
        self.forfeited = state.get("forfeited", 0.0) + changed * self._learned_from()  # also absent

    def _learned_from(self) -> int:
        return max(self.inserted - self.learning_starts, 0)

    def measured(self) -> float:
        """Return samples per insert since the start of learning; 0 before."""
        return self.sampled / max(self.inserted - self.learning_starts, 1)

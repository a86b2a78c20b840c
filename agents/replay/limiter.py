"""Samples per insert: the ratio that keeps results independent of how fast a machine is.

With C agent steps in one chunk of every collector, samples / ratio lie behind the inserted steps by

* less than one update's need (batch size / ratio) whenever the learner has done what is due. The main loops do so
  before they ask for more: between any two of their turns the ratio holds to within one batch, for every fleet;
* less than C and that need within a turn, when chunks have just come in, where a collector has one on its way;
* less than 2 C and that need where it may have two, as in a fleet, or if a learner should work beside the collectors,
  however slow it is: N inserts may then be off by 2 C / N. The slack is there for that.

So a fast and a slow machine train equally often, but may be 2 C agent steps apart in what replay already holds at an
update, and two chunks apart in how old the weights are that played it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(kw_only=True)
class SamplesPerInsert:
    """Counts inserted agent steps and trained samples and says who may go on (as Reverb's SampleToInsertRatio does).

    Training waits until `learning_starts` steps are in; from there on every further step earns `ratio` samples.
    """

    ratio: float
    learning_starts: int  # agent steps
    inserted: int = 0  # agent steps in replay, ever
    sampled: int = 0  # transitions trained on, ever
    forfeited: float = 0.0  # samples not owed: replay was lost, or another ratio held (below 0: one that earned more)

    def updates_due(self, batch_size: int) -> int:
        """Updates that the learner may do now: it never runs ahead of the data."""
        earned = self.ratio * self._learned_from()
        return max(int((earned - self.sampled - self.forfeited) // batch_size), 0)

    def steps_ahead(self) -> float:
        """Agent steps that wait to be trained on: with those on their way they stop collectors at the slack."""
        return self.inserted - self.learning_starts - (self.sampled + self.forfeited) / self.ratio

    def slack(self, batch_size: int, chunk_steps: int) -> float:
        """How far collectors may be ahead: one chunk each (`chunk_steps` of the whole fleet), and one update's need.

        One chunk each keeps them all busy while the learner trains. Without the update's need a large batch at a small
        ratio would never become due, and both sides would wait.
        """
        return chunk_steps + batch_size / self.ratio

    def state(self) -> dict[str, Any]:
        """All counters, for a checkpoint, and the ratio that has held."""
        counters = {"inserted": self.inserted, "sampled": self.sampled, "forfeited": self.forfeited}
        return {**counters, "ratio": self.ratio}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over `state`'s counters. What another ratio has earned stays earned, and ours holds from here on."""
        self.inserted, self.sampled = state["inserted"], state["sampled"]
        changed = self.ratio - state.get("ratio", self.ratio)  # older checkpoints name neither it
        self.forfeited = state.get("forfeited", 0.0) + changed * self._learned_from()  # nor what was forfeited

    def _learned_from(self) -> int:
        return max(self.inserted - self.learning_starts, 0)

    def measured(self) -> float:
        """Samples per insert so far, counted from the start of learning; 0 before."""
        return self.sampled / max(self.inserted - self.learning_starts, 1)

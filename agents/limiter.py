"""Samples per insert: the ratio that keeps results independent of how fast a machine is.

Exactly so: inserted steps and trained samples / ratio differ by

* less than one update's need (batch size / ratio) whenever the learner has done what was due, so between any two such
  moments the ratio holds to within one batch, on every machine and for every fleet;
* less than the slack and one runner's chunk at any other moment, however slow the learner: with chunks of C steps of the
  whole fleet, a window of N inserts may be off by C / N and a little more. Two machines also differ by that much in what
  replay already holds at an update, and in how old the weights are that played it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(kw_only=True)
class SamplesPerInsert:
    """Counts inserted agent steps and trained samples and says who may go on (as Reverb's SampleToInsertRatio does).

    Training waits until `learning_starts` steps are in; from there on every further step earns `ratio` samples.
    """

    ratio: float
    learning_starts: int  # agent steps
    inserted: int = 0  # agent steps in replay, ever
    sampled: int = 0  # transitions trained on, ever

    def updates_due(self, batch_size: int) -> int:
        """Updates that the learner may do now: it never runs ahead of the data."""
        earned = self.ratio * max(self.inserted - self.learning_starts, 0)
        return max(int((earned - self.sampled) // batch_size), 0)

    def steps_ahead(self) -> float:
        """Agent steps that wait to be trained on: collectors stop where these and those on their way reach the slack."""
        return self.inserted - self.learning_starts - self.sampled / self.ratio

    def slack(self, batch_size: int, chunk_steps: int) -> float:
        """How far collectors may be ahead: one chunk each (`chunk_steps` of the whole fleet), and one update's need.

        One chunk each keeps them all busy while the learner trains. Without the update's need a large batch at a small
        ratio would never become due, and both sides would wait.
        """
        return chunk_steps + batch_size / self.ratio

    def state(self) -> dict[str, int]:
        """Both counters, for a checkpoint."""
        return {"inserted": self.inserted, "sampled": self.sampled}

    def load_state(self, state: dict[str, int]) -> None:
        """Take over `state`'s counters."""
        self.inserted, self.sampled = state["inserted"], state["sampled"]

    def measured(self) -> float:
        """Samples per insert so far, counted from the start of learning; 0 before."""
        return self.sampled / max(self.inserted - self.learning_starts, 1)

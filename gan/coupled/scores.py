"""The scorer of pairs: scores of each domain, and the agreement of both images of a pair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gan.coupled.domains import Second, agreement
from gan.data.images import Pixels
from gan.evaluation.scores import Judge, Scores

NAMES = ("first", "second")


@dataclass(frozen=True, eq=False)
class PairJudge:
    """Scores generated pairs [N, C, H, 2 W]. Agreement alone is not enough, since a collapsed GAN can also have it."""

    judges: tuple[Judge, Judge]  # of both domains, on the same part
    second: Second

    @property
    def count(self) -> int:
        """Number of pairs to score: the larger of both counts, which may differ by one for an odd training set."""
        return max(judge.count for judge in self.judges)

    def score(self, fake: Pixels) -> Scores:
        """Return scores of both domains ("first_", "second_"), mean `fd_clf` and `fd_floor`, and the agreement.

        `agreement_unpaired` compares images of different pairs: the level of two independent GANs.

        Raises:
            ValueError: the number of pairs differs from `count`.
        """
        if len(fake) != self.count:
            raise ValueError(f"{len(fake)} pairs given, the judge compares {self.count}")
        halves = zip(NAMES, self.judges, np.split(fake, 2, 3), strict=True)
        found = {
            f"{half}_{name}": score
            for half, judge, images in halves
            for name, score in judge.score(images[: judge.count]).items()
        }
        means = {name: sum(float(found[f"{half}_{name}"]) for half in NAMES) / 2 for name in ("fd_clf", "fd_floor")}
        return {
            **means,
            "agreement": agreement(fake, self.second),
            "agreement_unpaired": agreement(fake, self.second, shift=1),
            **found,
        }

    def reporting(self) -> PairJudge:
        """Return the scorer of the report part, with the same classifiers."""
        first, second = self.judges
        return PairJudge((first.reporting(), second.reporting()), self.second)

"""The judge of pairs: each half by its own judge, and whether the halves belong together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gan.coupled.domains import Second, agreement
from gan.data.images import Pixels
from gan.evaluation.scores import Judge, Scores

NAMES = ("first", "second")


@dataclass(frozen=True, eq=False)
class PairJudge:
    """Scores of generated pairs [N, C, H, 2 W]; the agreement alone says little, since a collapsed pair agrees too."""

    judges: tuple[Judge, Judge]  # of both domains, by the same part
    second: Second

    @property
    def count(self) -> int:
        """Pairs it wants: as many as either judge, which differ by one where the training images are odd in number."""
        return max(judge.count for judge in self.judges)

    def score(self, fake: Pixels) -> Scores:
        """Both halves' scores by "first_" and "second_", the agreement, and the mean distance with its mean floor.

        `agreement_unpaired` is the same share between halves of different pairs: what two GANs would have.

        Raises:
            ValueError: another number of pairs.
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
        """The judge of the report part, by the same classifiers."""
        first, second = self.judges
        return PairJudge((first.reporting(), second.reporting()), self.second)

"""The judge of translations: whether what an image shows is kept, and whether it looks like the other domain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gan.cycle.domains import Domains, Second, drawn_right, moved_back, usual_of
from gan.cycle.networks import Shown
from gan.data.images import Images, Pixels, Split
from gan.evaluation.metrics import classes_of
from gan.evaluation.scores import Judge, Scores

NAMES = ("first", "second")
DRAWS = 6  # for each image that a part shows: of two parts, three draws an image leave 5 % unseen


@dataclass(frozen=True, eq=False)
class TranslationJudge:
    """Scores of drawn translations [N, C, H, 6 W] (`gan.cycle.networks.Shown`), those of one held-out part.

    The other part's are not looked at, nor is an image that was drawn again.
    """

    domains: Domains
    judges: tuple[Judge, Judge]  # by the same part; the second's is of what its images were where there is a rule
    held_out: Literal["select", "report"]
    rule: Second | None  # between the domains, whose held-out images are then the same, one by one

    @property
    def count(self) -> int:
        """Draws it wants."""
        return DRAWS * self.judges[0].settings.samples

    def score(self, fake: Pixels) -> Scores:
        """`kept` and `kept_back` (by the second domain's judge, by the first's), with what the images had `as_is`.

        They are shares of labels that the target domain's classifier finds in the translation or, where the rule
        between the domains is known, of moving pixels that are right. `fd_clf` and `fd_floor` are means over the
        domains; `cycle_error` is the mean difference of an image and what comes back, of 1.
        """
        x, forth, x_again, y, back, y_again = np.split(fake, Shown.PANELS, 3)
        parts = [self._part(domain) for domain in self.domains]
        rows = [_known(part, images) for part, images in zip(parts, (x, y), strict=True)]
        translated = back[rows[1][1]], forth[rows[0][1]]  # into the first domain, into the second
        judged = translated[0], moved_back(translated[1], self.rule) if self.rule else translated[1]
        found: Scores = {}
        for name, judge, images in zip(NAMES, self.judges, judged, strict=True):
            scores = judge.score(images[np.arange(judge.count) % len(images)])
            found |= {f"{name}_{score}": value for score, value in scores.items()}
        ways = (("", 0, translated[1]), ("_back", 1, translated[0]))
        kept = {f"kept{way}": self._kept(parts, of, rows[of][0], images) for way, of, images in ways}
        as_is = {
            f"as_is{way}": self._kept(parts, of, at, parts[of].images[at]) for way, of, _ in ways for at in rows[of][:1]
        }
        errors = [_difference(a[row[1]], b[row[1]]) for a, b, row in ((x, x_again, rows[0]), (y, y_again, rows[1]))]
        means = {name: sum(float(found[f"{each}_{name}"]) for each in NAMES) / 2 for name in ("fd_clf", "fd_floor")}
        return {**means, **kept, **as_is, "cycle_error": sum(errors) / 2, **found}

    def _part(self, domain: Images) -> Split:
        return domain.select if self.held_out == "select" else domain.report

    def _kept(self, parts: list[Split], of: int, index: NDArray[np.int64], images: Pixels) -> float:
        """How much is kept of the images `index` of domain `of` in `images`, which should be of the other one."""
        if self.rule:
            return drawn_right(images, parts[1 - of].images[index], usual_of(self.domains[1 - of].train))
        labels = parts[of].labels
        assert labels is not None, "domains whose rule is not known have labels"
        seen = classes_of(self.judges[1 - of].extractor.features(images)[1])
        return float((seen == labels[index]).mean())

    def reporting(self) -> TranslationJudge:
        """The judge of the report part, by the same classifiers."""
        first, second = self.judges
        return TranslationJudge(self.domains, (first.reporting(), second.reporting()), "report", self.rule)


def _known(part: Split, drawn: Pixels) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Images of the part that were drawn: which they are, and the row of each among what was drawn."""
    index = {image.tobytes(): number for number, image in enumerate(part.images)}
    rows = {index[image.tobytes()]: row for row, image in enumerate(drawn) if image.tobytes() in index}
    return np.array(list(rows), np.int64), np.array(list(rows.values()), np.int64)


def _difference(a: Pixels, b: Pixels) -> float:
    return float(np.abs(a.astype(np.float64) - b).mean() / 255)

"""The judge of translations: whether what an image shows is kept, and whether it looks like the other domain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from gan.cycle.domains import Domains, Second, drawn_right, moved_back, undone, usual_of
from gan.cycle.networks import Shown
from gan.data.images import Part, Pixels, Split
from gan.evaluation.features import Extractor
from gan.evaluation.metrics import classes_of
from gan.evaluation.scores import Judge, Scores, ScoreSettings
from gan.samples.sampling import draw

NAMES = ("first", "second")


@dataclass(frozen=True, eq=False)
class TranslationJudge:
    """Scores of translations [N, C, H, 6 W] (`gan.cycle.networks.Shown`) of the images of one held-out part."""

    domains: Domains
    judges: tuple[Judge, Judge]  # by the same part; the second's is of what its images were where there is a rule
    held_out: Part
    rule: Second | None  # between the domains, whose held-out images are then the same, one by one

    @property
    def count(self) -> int:
        """N: images of each domain that are translated, some more than once where it has fewer."""
        return self.judges[0].settings.samples

    def answers(self, generator: Shown) -> Pixels:
        """What both translators make of the part's images."""
        images = torch.from_numpy(self.domains.to_show(self.held_out, self.count))
        return draw(generator, images.transpose(0, 1), None)

    def score(self, fake: Pixels) -> Scores:
        """`kept` and `kept_back` (by the second domain's judge, by the first's), with what the images had `as_is`.

        They are shares of labels that the target domain's classifier finds in the translation or, where the rule
        between the domains is known, of moving pixels that are right. `fd_clf` and `fd_floor` are means over the
        domains; where the rule is known, an image and its translation are a pair, whose distance has the floor 0, as in
        `gan.upscale.scores`, and no other score has one. `cycle_error` is the mean difference of an image and what
        comes back, of 1.

        Raises:
            ValueError: another number of images.
        """
        if len(fake) != self.count:
            raise ValueError(f"{len(fake)} images given, the judge has {self.count} of each domain")
        parts = [domain.held_out(self.held_out) for domain in self.domains]
        first, second = (part.take(np.arange(min(self.count, len(part)))) for part in parts)
        _, forth, x_again, _, back, y_again = np.split(fake, Shown.PANELS, 3)
        forth, back = forth[: len(first)], back[: len(second)]  # what follows are the same images again
        found: Scores = {}
        judged = back, moved_back(forth, self.rule) if self.rule else forth
        for name, judge, images in zip(NAMES, self.judges, judged, strict=True):
            scores = judge.score(images[: judge.count])
            found |= {f"{name}_{score}": value for score, value in scores.items()}
        means = {name: sum(float(found[f"{each}_{name}"]) for each in NAMES) / 2 for name in ("fd_clf", "fd_floor")}
        if self.rule:
            means["fd_floor"] = 0.0
            found = {name: value for name, value in found.items() if "_floor" not in name}
        errors = _difference(first.images, x_again), _difference(second.images, y_again)
        return {
            **means,
            "kept": self._kept(forth, first, second, 1),
            "kept_back": self._kept(back, second, first, 0),
            "as_is": self._kept(first.images, first, second, 1),
            "as_is_back": self._kept(second.images, second, first, 0),
            "cycle_error": sum(errors) / 2,
            **found,
        }

    def _kept(self, found: Pixels, source: Split, target: Split, domain: int) -> float:
        """How much is kept of the images of `source` in `found`, which should be of `domain`, that of `target`."""
        if self.rule:
            return drawn_right(found, target.images, usual_of(self.domains[domain].train))
        assert source.labels is not None, "domains whose rule is not known have labels"
        seen = classes_of(self.judges[domain].extractor.features(found)[1])
        return float((seen == source.labels).mean())

    def reporting(self) -> TranslationJudge:
        """The judge of the report part, by the same classifiers."""
        first, second = (judge.extractor for judge in self.judges)
        return translation_judge(self.domains, (first, second), self.judges[0].settings, "report", self.rule)


def translation_judge(
    domains: Domains, extractors: tuple[Extractor, Extractor], settings: ScoreSettings, part: Part, rule: Second | None
) -> TranslationJudge:
    """Each domain's judge is of the images that the other has to translate: none of them is judged twice.

    Where the rule between the domains is known, the second's images are those that it carries back.
    """
    second = undone(domains.second, rule) if rule else domains.second
    most = len(domains.second.held_out(part)), len(domains.first.held_out(part))
    judges = (
        Judge(domains.first, extractors[0], settings, part, most[0]),
        Judge(second, extractors[1], settings, part, most[1]),
    )
    return TranslationJudge(domains, judges, part, rule)


def _difference(images: Pixels, again: Pixels) -> float:
    return float(np.abs(images.astype(np.float64) - again[: len(images)]).mean() / 255)

"""The scorer of translations: whether the content is kept, and the distance from the target domain."""

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
    """Scores translations [N, C, H, 6 W] (`gan.cycle.networks.Shown`) of one held-out part."""

    domains: Domains
    judges: tuple[Judge, Judge]  # on the same part; with a rule, the second scores images converted back
    held_out: Part
    rule: Second | None  # between the domains, if known; held-out images are then pairs

    @property
    def count(self) -> int:
        """Number N of images to translate per domain; repeated if there are fewer."""
        return self.judges[0].settings.samples

    def answers(self, generator: Shown) -> Pixels:
        """Translate the part's images with both translators, for `score`."""
        images = torch.from_numpy(self.domains.to_show(self.held_out, self.count))
        return draw(generator, images.transpose(0, 1), None)

    def score(self, fake: Pixels) -> Scores:
        """Return how much of the content translations keep, their distance from the target domain and the cycle error.

        `kept` (into the second domain) and `kept_back` (into the first) are shares of labels that the target domain's
        classifier recovers or, if the rule between the domains is known, of right pixels where something moves; `as_is`
        and `as_is_back` are those of untranslated images. `fd_clf` and `fd_floor` are means over both domains; with a
        rule the floor is 0, since images and translations are pairs (as in `gan.upscale.scores`), and other scores have
        none. `cycle_error` is the mean absolute difference of an image and its reconstruction, pixels in 0..1.

        Raises:
            ValueError: the number of images differs from `count`.
        """
        if len(fake) != self.count:
            raise ValueError(f"{len(fake)} images given, the judge has {self.count} of each domain")
        parts = [domain.held_out(self.held_out) for domain in self.domains]
        first, second = (part.take(np.arange(min(self.count, len(part)))) for part in parts)
        _, forth, x_again, _, back, y_again = np.split(fake, Shown.PANELS, 3)
        forth, back = forth[: len(first)], back[: len(second)]  # the rest are repetitions
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
        """Return the share of the content of `source` kept in `found`, its translation to `domain` (of `target`)."""
        if self.rule:
            return drawn_right(found, target.images, usual_of(self.domains[domain].train))
        assert source.labels is not None, "domains whose rule is not known have labels"
        seen = classes_of(self.judges[domain].extractor.features(found)[1])
        return float((seen == source.labels).mean())

    def reporting(self) -> TranslationJudge:
        """Return the scorer of the report part, with the same classifiers."""
        first, second = (judge.extractor for judge in self.judges)
        return translation_judge(self.domains, (first, second), self.judges[0].settings, "report", self.rule)


def translation_judge(
    domains: Domains, extractors: tuple[Extractor, Extractor], settings: ScoreSettings, part: Part, rule: Second | None
) -> TranslationJudge:
    """Create the scorer. The number of images of the other domain bounds each domain's count: none is scored twice.

    If the rule between the domains is known, second-domain images are converted back for scoring.
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

"""Unpaired domains, and the scores of what a translation keeps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from gan.cycle.domains import Domains, Second, domains_of, drawn_right, moved, moved_back, small_digits, undone
from gan.cycle.networks import CycleNetworkSettings, Pair, Shown
from gan.cycle.scores import TranslationJudge, translation_judge
from gan.data.files import DataError
from gan.data.images import Images, Pixels, split
from gan.evaluation.features import Classifier, Extractor
from gan.evaluation.scores import Judge, ScoreSettings
from tests.gan.conftest import corner_images

RULES: tuple[Second, ...] = ("striped", "inverted", "mirrored")


@given(height=st.integers(1, 20), width=st.integers(1, 20), seed=st.integers(0, 99))
def test_the_rules_by_pixels_and_their_inverse(height: int, width: int, seed: int) -> None:
    images = np.random.default_rng(seed).integers(0, 256, (2, 1, height, width)).astype(np.uint8)
    for second in RULES:
        found = moved(images, second)
        for image, row, column in np.ndindex(2, height, width):
            seen = int(images[image, 0, row, width - 1 - column if second == "mirrored" else column])
            faint = (255 - seen if second == "inverted" else seen) * 3 // 4
            assert found[image, 0, row, column] == faint + (64 if (row + column) // 6 % 2 else 0)
        assert np.abs(moved_back(found, second).astype(int) - images).max() <= 1


def test_no_episode_trains_both_domains() -> None:
    found = corner_images(400)
    data = split("episodes", replace(found, groups=np.arange(400) // 10, labels=None))
    first, second = domains_of(data, "mirrored")
    assert first.train.groups is not None
    assert second.train.groups is not None
    assert set(first.train.groups).isdisjoint(second.train.groups)
    assert len(first.train) + len(second.train) == len(data.train)
    assert min(len(first.train), len(second.train)) > 100
    np.testing.assert_array_equal(second.report.images, moved(data.report.images, "mirrored"))
    assert first.report is data.report


def test_images_without_groups_are_dealt_out(corners: Images) -> None:
    first, second = domains_of(corners, "striped")
    seen = {image.tobytes() for image in moved(first.train.images, "striped")}
    assert seen.isdisjoint({image.tobytes() for image in second.train.images})


def test_small_digits_are_enlarged() -> None:
    data = small_digits((1, 28, 28))
    assert data.shape == (1, 28, 28)
    assert data.classes == 10
    assert sum(map(len, (data.train, data.select, data.report))) == 1_797
    assert data.train.images.max() == 255
    with pytest.raises(DataError, match="3 colours"):
        small_digits((3, 28, 28))


@pytest.mark.parametrize("labels", [True, False])
def test_small_digits_are_a_second_domain_of_digits_alone(labels: bool) -> None:
    found = corner_images(400)
    data = split("corners", found if labels else replace(found, labels=None))
    with pytest.raises(DataError, match=rf"{4 if labels else 0} classes, and second small_digits are 10 digits"):
        domains_of(data, "small_digits")


def test_no_translation_is_judged_twice() -> None:
    """Both directions are scored on as many images as the smaller domain has: 8 for select, 20 for report."""
    domains = Domains(split("many", corner_images(400)), split("few", corner_images(100, seed=1)))
    extractor = Extractor(Classifier(1, 4), 0.0)
    judge = translation_judge(domains, (extractor, extractor), ScoreSettings(samples=40), "select", None)
    assert [each.count for each in judge.judges] == [8, 8]
    assert [each.count for each in judge.reporting().judges] == [20, 20]
    shown = domains.to_show("select", judge.count)
    scores = judge.score(panels(shown[0], shown[1], "as they are"))
    back = Judge(domains.first, extractor, ScoreSettings(samples=40), "select", 8).score(shown[1, :8])
    assert scores["first_fd_clf"] == back["fd_clf"]
    assert scores["first_samples"] == 8


def test_only_what_moves_counts_as_drawn() -> None:
    usual = np.full((1, 4, 4), 100, np.uint8)
    truth = np.repeat(usual[None], 2, 0)
    truth[0, 0, 1, 1], truth[1, 0, 2, 2] = 200, 0
    assert drawn_right(truth, truth, usual) == 1.0
    assert drawn_right(np.repeat(usual[None], 2, 0), truth, usual) == 0.0, "a still picture draws nothing"
    half = truth.copy()
    half[1] = 100
    assert drawn_right(half + 20, truth, usual) == 0.5
    assert drawn_right(half + 40, truth, usual) == 0.0


def panels(first: Pixels, second: Pixels, by: str) -> Pixels:
    """Return the panels of translators that apply the rule, or that return their input."""
    there, back = (second, first) if by == "rule" else (first, second)
    return np.concatenate([first, there, first, second, back, second ^ 2], 3)


def judge_of(data: Images, samples: int = 40) -> TranslationJudge:
    """Return a judge with an untrained classifier; with a known rule, the kept scores do not depend on it."""
    domains, settings = domains_of(data, "mirrored"), ScoreSettings(samples=samples)
    extractor = Extractor(Classifier(1, 4), 0.0)
    second = Judge(undone(domains.second, "mirrored"), extractor, settings, "report")
    return TranslationJudge(
        domains, (Judge(domains.first, extractor, settings, "report"), second), "report", "mirrored"
    )


@pytest.mark.parametrize("samples", [40, 100])
def test_a_perfect_translation_keeps_everything(corners: Images, samples: int) -> None:
    """Translation by the rule keeps everything, with fewer or more samples than the 80 held-out images."""
    judge = judge_of(corners, samples)
    first = corners.report.images[np.resize(np.arange(len(corners.report)), judge.count)]
    scores = judge.score(panels(first, moved(first, "mirrored"), "rule"))
    assert (scores["kept"], scores["kept_back"]) == (1.0, 1.0)
    assert float(scores["as_is"]) < 0.2
    assert float(scores["as_is_back"]) < 0.2
    assert scores["cycle_error"] == pytest.approx(1 / 255), "0 and 2 levels"
    as_they_are = judge.score(panels(first, moved(first, "mirrored"), "as they are"))
    assert as_they_are["kept"] == as_they_are["as_is"]
    assert as_they_are["kept_back"] == as_they_are["as_is_back"]
    assert float(scores["fd_clf"]) < float(as_they_are["fd_clf"])
    with pytest.raises(ValueError, match=f"{samples - 1} images given"):
        judge.score(np.zeros((samples - 1, 1, 8, 48), np.uint8))


def test_what_is_judged_are_translations_of_the_judges_own_images(corners: Images) -> None:
    judge = judge_of(corners, 100)
    pair = Pair(CycleNetworkSettings(generator_width=4, blocks=0), (1, 8, 8))  # a new pair returns its input
    found = judge.answers(Shown(pair, torch.zeros(2, 3, 1, 8, 8, dtype=torch.uint8)))
    first = corners.report.images[np.arange(100) % 80]
    np.testing.assert_array_equal(found, np.concatenate([first] * 3 + [moved(first, "mirrored")] * 3, 3))


class Quadrants(torch.nn.Module):
    """A classifier of the bright corner by the quadrants' means, for plain or mirrored images."""

    def __init__(self, mirrored: bool) -> None:
        super().__init__()
        self.mirrored, self.out = mirrored, torch.nn.Identity()

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits of the corners, [B, 1, 8, 8] -> [B, 4]."""
        means = F.avg_pool2d(images, 4)[:, 0]
        return 9 * (means.flip(2) if self.mirrored else means).flatten(1)


def test_labels_are_those_of_the_target_domains_classifier(corners: Images) -> None:
    """`kept` is 1 for correct translations and 0 for images of another class, by the target's classifier."""
    domains, settings = domains_of(corners, "mirrored"), ScoreSettings(samples=40)
    first, second = (
        Judge(domain, Extractor(Quadrants(mirrored), 1.0), settings, "report")  # type: ignore[arg-type]
        for domain, mirrored in zip(domains, (False, True), strict=True)
    )
    judge = TranslationJudge(domains, (first, second), "report", None)
    x, y, labels = corners.report.images, domains.second.report.images, corners.report.labels
    assert labels is not None
    other = x[[np.flatnonzero(labels == (label + 1) % 4)[0] for label in labels]]
    scores = judge.score(np.concatenate([x, y, x, y, other, y], 3)[: judge.count])
    assert (scores["kept"], scores["kept_back"]) == (1.0, 0.0)
    assert float(scores["as_is"]) < 0.5

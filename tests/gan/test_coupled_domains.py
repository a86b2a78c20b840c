"""Disjoint image domains and the agreement of pairs, compared with slow code."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gan.coupled.domains import agreement, domains_of, edges, in_second, negatives, pairs
from gan.coupled.parts import COLUMNS, summary_line
from gan.coupled.scores import PairJudge
from gan.coupled.trainer import CoupledTrainer
from gan.data.images import Images
from gan.evaluation.features import Classifier, Extractor
from gan.evaluation.scores import Judge
from tests.gan.test_coupled import tiny

IMAGES = arrays(np.uint8, st.tuples(st.integers(1, 4), st.just(1), st.integers(1, 6), st.integers(1, 6)))


@given(images=IMAGES)
def test_an_edge_is_the_brightest_neighbour_less_the_pixel(images: Any) -> None:
    wanted = np.empty_like(images)
    for n, c, row, column in np.ndindex(images.shape):
        around = images[n, c, max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
        wanted[n, c, row, column] = around.max() - images[n, c, row, column]
    np.testing.assert_array_equal(edges(images), wanted)


@given(images=IMAGES, second=st.sampled_from(["edges", "negatives"]), seed=st.integers(0, 99))
def test_agreement_counts_pixels_that_are_on_the_same_side(images: Any, second: Any, seed: int) -> None:
    right = np.random.default_rng(seed).integers(0, 256, images.shape, np.uint8)
    for shift in (0, 1):
        same = total = 0
        for n, c, row, column in np.ndindex(images.shape):
            wanted = in_second(images, second)[n, c, row, column] > 127
            same += int(wanted == (right[n - shift, c, row, column] > 127))
            total += 1
        assert agreement(np.concatenate([images, right], 3), second, shift) == pytest.approx(same / total)
    assert agreement(pairs(images, second), second) == 1.0


@pytest.mark.parametrize("second", ["edges", "negatives"])
def test_no_image_is_in_both_domains(corners: Images, second: Any) -> None:
    """The trainer's two domains come from disjoint halves of the training images, so no pair is ever seen."""
    trainer = CoupledTrainer(tiny(second=second), corners)
    first, other = (stock.numpy() for stock in trainer.real.pixels)
    carried = {image.tobytes() for image in in_second(first, second)}
    assert len(carried) == len(first), "all differ, or the test would prove nothing"
    assert not carried & {image.tobytes() for image in other}
    given = {image.tobytes() for image in in_second(corners.train.images, second)}
    assert carried | {image.tobytes() for image in other} == given
    assert abs(len(first) - len(other)) <= 1
    halves = domains_of(corners, second)
    np.testing.assert_array_equal(halves.second.report.images, in_second(corners.report.images, second))


def judge_of(data: Images) -> PairJudge:
    """Return a judge of the select part with untrained classifiers; these tests do not need trained ones."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        extractors = [Extractor(Classifier(1, 4), 0.5) for _ in range(2)]
    scores = tiny(second="negatives").scores
    first, second = (
        Judge(domain, extractor, scores, "select")
        for domain, extractor in zip(domains_of(data, "negatives"), extractors, strict=True)
    )
    return PairJudge((first, second), "negatives")


def test_a_pair_is_judged_by_halves(corners: Images) -> None:
    judge = judge_of(corners)
    true = pairs(corners.train.images[: judge.count], "negatives")
    scores = judge.score(true)
    assert set(COLUMNS) <= scores.keys()
    assert scores["agreement"] == 1.0
    assert scores["agreement_unpaired"] < 0.9  # type: ignore[operator]
    for name in ("fd_clf", "fd_floor"):
        assert scores[name] == pytest.approx((scores[f"first_{name}"] + scores[f"second_{name}"]) / 2)  # type: ignore[operator]
    halved = true.copy()
    halved[:, :, :, 8:] = halved[:1, :, :, 8:]  # the same second image everywhere
    other = judge.score(halved)
    assert other["first_fd_clf"] == scores["first_fd_clf"]
    assert float(other["second_recall"]) < float(scores["second_recall"])
    assert summary_line(scores).startswith("agreement 1.000 (unpaired ")
    assert len(judge.reporting().score(pairs(corners.train.images[: judge.reporting().count], "negatives"))) == len(
        scores
    )


def test_halves_of_an_odd_training_part_are_judged(corners: Images) -> None:
    """With 79 training images, the domains have 40 and 39, and each half is scored with its own count."""
    odd = replace(corners, train=corners.train.take(np.arange(79)))
    judge = judge_of(odd)
    for each in (judge, judge.reporting()):
        assert [half.count for half in each.judges] == [40, 39]
        scores = each.score(pairs(odd.train.images[:40], "negatives"))
        assert (scores["first_samples"], scores["second_samples"]) == (40, 39)
    with pytest.raises(ValueError, match="39 pairs given, the judge compares 40"):
        judge.score(pairs(odd.train.images[:39], "negatives"))


def test_negatives_are_their_own_inverse(corners: Images) -> None:
    np.testing.assert_array_equal(negatives(negatives(corners.train.images)), corners.train.images)

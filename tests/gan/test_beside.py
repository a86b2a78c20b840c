"""Canvases of images of one class side by side: their composition, their scores, and attention maps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gan.data import images as data_of
from gan.data.beside import ROUNDS, of_one_class, over_each_other, padded, side_by_side
from gan.data.files import DataError
from gan.data.images import DataSettings, Images, Split, digits, load
from gan.evaluation import features
from gan.evaluation.metrics import consistency
from gan.evaluation.scores import Judge, ScoreSettings
from gan.samples.attention import IMAGES, MARK, QUERIES, attention_of, attention_picture, layer_of
from gan.samples.closing import closing_pictures
from gan.samples.sampling import draw, latents
from gan.standard.networks import Generator, NetworkSettings
from gan.standard.parts import make_judge, summary_line
from gan.standard.trainer import Trainer
from tests.gan.small import same, tiny


@pytest.fixture(scope="module")
def canvases(corners: Images) -> Images:
    return data_of.beside(corners, 2)


@pytest.fixture(scope="module")
def judge(canvases: Images, tmp_path_factory: pytest.TempPathFactory) -> Judge:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "EPOCHS", 2)
        settings = tiny(data__beside=2)
        return make_judge(settings, canvases, tmp_path_factory.mktemp("cache"), "select")


@given(st.lists(st.integers(0, 3), min_size=12, max_size=40), st.integers(2, 3), st.integers(0, 9))
def test_canvases_are_of_one_class_and_of_different_images(drawn: list[int], count: int, seed: int) -> None:
    labels = np.array([*drawn, *range(4), *range(4), *range(4)])
    index = of_one_class(labels, count, seed)
    assert index.shape == (ROUNDS * len(labels), count)
    assert (labels[index] == labels[index[:, :1]]).all()
    assert all(len(set(row)) == count for row in index.tolist())
    for place in index.T:  # every image is used equally often in each place
        assert (np.bincount(place, minlength=len(labels)) == ROUNDS).all()


def test_a_canvas_wants_enough_images_of_a_class() -> None:
    with pytest.raises(DataError, match="class 1 has 1 images in a part, a canvas needs 2"):
        of_one_class(np.array([0, 0, 1]), 2, 0)


def test_images_lie_side_by_side_and_come_back() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 2 * 3, 4, 6)).astype(np.uint8)
    canvases = side_by_side(images, 2)
    np.testing.assert_array_equal(canvases[:, :, :, :6], images[:, :3])
    np.testing.assert_array_equal(canvases[:, :, :, 6:], images[:, 3:])
    np.testing.assert_array_equal(over_each_other(canvases, 2), images)


def test_digits_get_ground_around_them_and_parts_share_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert padded(digits().images[:3]).shape == (3, 1, 32, 32)
    np.testing.assert_array_equal(padded(digits().images[:3])[:, :, 2:-2, 2:-2], digits().images[:3])
    data = load(DataSettings(beside=2))
    assert (data.shape, data.classes, data.singles.classes if data.singles else 0) == ((1, 32, 64), 0, 10)
    assert [len(part) for part in (data.train, data.select, data.report)] == [14_000, 2_000, 4_000]
    halves = [
        {half.tobytes() for canvas in part.images for half in np.split(canvas, 2, 2)}
        for part in (data.train, data.select, data.report)
    ]
    assert [len(half) for half in halves] == [3_500, 500, 1_000]
    assert not halves[0] & halves[1] | halves[0] & halves[2] | halves[1] & halves[2]


def test_digits_are_made_smaller_by_means() -> None:
    data = load(DataSettings(size=14, beside=2))
    assert (data.shape, data.singles.shape if data.singles else None) == ((1, 16, 32), (1, 16, 16))
    whole = load(DataSettings())
    means = whole.select.images.reshape(-1, 14, 2, 14, 2).mean((2, 4))
    assert data.singles is not None
    found = data.singles.select.images[:, 0, 1:-1, 1:-1].astype(float)
    np.testing.assert_allclose(found, means, atol=1)  # row means are rounded before column means


def test_images_without_classes_are_refused(corners: Images) -> None:
    bare = Split(corners.train.images, None)
    with pytest.raises(DataError, match=r"data\.beside puts images of one class together, and these have none"):
        data_of.beside(Images("x", bare, bare, bare), 2)


def test_consistency_is_the_share_of_equal_classes_and_chance_that_of_places_by_themselves() -> None:
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 3, (400, 2))
    equal, by_chance = consistency(np.eye(3)[classes])
    assert equal == np.mean([left == right for left, right in classes])
    left_to_any = [[left == right for right in classes[:, 1]] for left in classes[:, 0]]
    assert by_chance == pytest.approx(np.mean(left_to_any))
    assert consistency(np.eye(3)[np.zeros((5, 2), int)]) == (1.0, 1.0), "a collapse is consistent by chance"


def test_the_judge_tells_equal_from_unequal_and_knows_the_floor(judge: Judge, canvases: Images) -> None:
    fake = canvases.train.images[: judge.count]
    left, right = np.split(fake, 2, 3)
    equal = judge.score(fake)
    mixed = judge.score(np.concatenate([left, np.roll(right, 1, 0)], 3))
    assert equal["consistency"] == 1 == judge.floors["consistency_floor"]
    assert float(mixed["consistency"]) < 0.5
    assert float(mixed["consistency_chance"]) == pytest.approx(0.25, abs=0.1)
    assert float(mixed["fd_clf"]) > 2 * float(equal["fd_clf"]), "the distance is of whole canvases"
    assert (equal["classes"], mixed["classes"], equal["nn_ratio_pixels"]) == (4, 4, 0)
    assert float(equal["class_kl"]) < 0.1
    assert f"consistency {float(equal['consistency']):.2f} (chance 0." in summary_line(equal)
    again = Judge(canvases, judge.extractor, ScoreSettings(samples=40), "report")
    assert again.score(fake[:40])["extractor_hash"] == equal["extractor_hash"]


def test_the_judge_of_canvases_has_a_classifier_of_single_images(judge: Judge, corners: Images) -> None:
    assert judge.extractor.accuracy > 0.95
    assert corners.report.labels is not None
    chances = judge.extractor.features(corners.report.images)[1]  # 8x8 needs no padding
    assert (chances[:, 0].argmax(1) == corners.report.labels).mean() > 0.95


def attending() -> Generator:
    torch.manual_seed(0)
    settings = NetworkSettings(latent=6, generator_width=8, attention=True, block_halvings=2)
    generator = Generator(settings, (1, 16, 32), 0)
    for module in generator.modules():
        if hasattr(module, "share"):
            module.share.data.fill_(0.5)  # type: ignore[operator, union-attr]
    return generator


def test_attention_is_read_from_the_layer_that_draws() -> None:
    """The attention map equals the softmax of the layer's query-key products on the layer's actual input."""
    generator, latent = attending().eval(), latents(attending(), 3, seed=1)
    looked_by = layer_of(generator)
    assert looked_by is not None
    found = attention_of(generator, looked_by, latent)
    np.testing.assert_array_equal(found[0], draw(generator, latent, None))
    place = next(i for i, module in enumerate(generator.body) if hasattr(module, "share"))
    x, layer = generator.body[:place](latent), generator.body[place]
    query, key = (convolution(x).flatten(2) for convolution in (layer.query, layer.key))  # type: ignore[operator]
    assert found[1].shape == (3, 4, 8, 4, 8)
    for at in (0, 13, 31):
        wanted = torch.stack([query[2, :, at] @ key[2, :, other] for other in range(32)]).softmax(0)
        np.testing.assert_allclose(found[1][2, at // 8, at % 8].ravel(), wanted.detach().numpy(), rtol=1e-4)


def test_the_picture_marks_places_of_the_left_half() -> None:
    picture = attention_picture(attending())
    assert picture is not None
    assert picture.shape == (IMAGES * 17 - 1, (1 + QUERIES) * 33 - 1, 3)
    marked = (picture == np.array(MARK, np.uint8)).all(2)
    assert marked.sum() == IMAGES * QUERIES * 16  # 4x4 pixels each
    columns = np.flatnonzero(marked.any(0))
    assert (columns >= 33).all(), "none on the samples"
    assert (columns % 33 < 16).all()
    assert attention_picture(Generator(NetworkSettings(latent=6, generator_width=8), (1, 16, 32), 0)) is None


@pytest.mark.parametrize("block", ["attention", "residual"])
def test_canvases_are_trained_on_and_go_on_bit_for_bit(canvases: Images, tmp_path: Path, block: str) -> None:
    settings = tiny(**{"data__beside": 2, f"network__{block}": True, "training__precision": "fp32"})
    whole, first = Trainer(settings, canvases), Trainer(settings, canvases)
    whole.train(4)
    first.train(2)
    second = Trainer(settings, canvases)
    second.load_state(first.state())
    second.train(2)
    assert same(whole.state(), second.state())
    for network in (whole.generator, whole.discriminator):
        shares = [float(value.detach()) for name, value in network.named_parameters() if name.endswith("share")]
        assert len(shares) == 1
        assert shares[0] != 0, "it is trained"
    names = {picture.file for picture in closing_pictures(whole, tmp_path)}
    assert ("attention.png" in names) == (block == "attention")


@pytest.mark.parametrize(
    "values",
    [{"data__beside": 2, "network__conditional": True}, {"data__beside": 2, "data__stack": 2}, {"data__beside": 0}],
)
def test_impossible_canvases_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"data\.beside|side by side"):
        tiny(**values)

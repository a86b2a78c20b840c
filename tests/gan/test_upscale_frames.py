"""Upscaling of game frames by weighting seen pixels, compared with slow code; and the crops for training."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gan.data.images import RawImages, split, to_float
from gan.upscale.lowering import clips, enlarged, interleave, lower, stacked
from gan.upscale.networks import Upscaler, mean_of
from gan.upscale.pictures import upscaled
from gan.upscale.settings import UpscaleSettings
from gan.upscale.trainer import UpscaleTrainer
from tests.gan.test_upscale import RNG, tiny
from training.settings import changed


def test_what_stands_still_is_whole_after_four_frames() -> None:
    """An untrained generator nearly copies the interleaved samples, a sure one exactly; single images are bicubic."""
    still = torch.from_numpy(RNG.integers(0, 256, (2, 3, 8, 10), dtype=np.uint8))
    images = stacked(still[:, None].expand(-1, 6, -1, -1, -1))
    assert torch.equal(F.pixel_shuffle(interleave(lower(images, 6), 4)[:, 3], 2), still)
    settings = changed(UpscaleSettings(frames=6, crop=8), {"network.seen": 4, "network.previous": True})
    network, small = Upscaler(settings.network, (3, 48, 10), 6), lower(images, 6).numpy()
    nearly = clips(torch.from_numpy(upscaled(network, small)), 6)[:, 3:].int() - still[:, None].int()
    assert 0 < nearly.abs().max() <= 255 * 10 / (10 + math.exp(6)) + 1
    torch.nn.init.constant_(network.tail.bias[:4], 30.0)
    found = clips(torch.from_numpy(upscaled(network, small)), 6)
    assert torch.equal(found[:, 3:], still[:, None].expand(-1, 3, -1, -1, -1))
    assert not torch.equal(found[:, 0], still)
    one = lower(still, 1)
    plain = upscaled(Upscaler(UpscaleSettings().network, (3, 8, 10), 1), one.numpy())
    np.testing.assert_array_equal(plain, enlarged(one, "bicubic").numpy())


@pytest.mark.parametrize("images", [1, 2])
def test_a_pixel_is_a_mean_of_what_it_may_be(images: int) -> None:
    """Means equal slow code; equal candidates are returned whatever the weights, and one large weight is exact."""
    torch.manual_seed(0)
    seen = [torch.rand(2, 3 * 4, 4, 5) for _ in range(images)]
    newest, weights = torch.rand(2, 3, 4, 5), 3 * torch.randn(2, (images + 9) * 4, 4, 5)
    found = mean_of(seen, newest, weights)
    for image, colour, place, row, column in product(range(2), range(3), range(4), range(4), range(5)):
        around = [
            newest[image, colour, min(max(row + down, 0), 3), min(max(column + right, 0), 4)]
            for down, right in product((-1, 0, 1), repeat=2)
        ]
        candidates = [each[image, 4 * colour + place, row, column] for each in seen] + around
        said = [math.exp(weights[image, 4 * index + place, row, column]) for index in range(images + 9)]
        wanted = sum(w * float(c) for w, c in zip(said, candidates, strict=True)) / sum(said)
        assert found[image, 4 * colour + place, row, column] == pytest.approx(wanted, abs=1e-5)
    flat = [torch.full_like(each, 0.3) for each in seen]
    torch.testing.assert_close(mean_of(flat, torch.full_like(newest, 0.3), weights), flat[0])
    sure = torch.zeros_like(weights)
    sure[:, 4 * images + 4 * 4 : 4 * images + 5 * 4] = 200.0  # the central sample
    assert torch.equal(mean_of(seen, newest, sure).view(2, 3, 4, 4, 5), newest[:, :, None].expand(-1, -1, 4, -1, -1))


@pytest.mark.parametrize("frames", [1, 5])
def test_a_frame_knows_the_past_alone(frames: int) -> None:
    torch.manual_seed(0)
    settings = tiny(frames=frames, **({"network__seen": 4, "network__previous": True} if frames > 1 else {}))
    network = Upscaler(settings.network, (3, frames * 8, 8), frames)
    torch.nn.init.normal_(network.tail.weight)
    small = torch.from_numpy(RNG.integers(0, 256, (1, frames, 3, 4, 4), dtype=np.uint8))
    before = network(small)
    assert before.shape == (1, frames, 3, 8, 8)
    other = small.clone()
    other[:, -1] = 255 - other[:, -1]
    after = network(other)
    assert torch.equal(before[:, :-1], after[:, :-1])
    assert not torch.equal(before[:, -1], after[:, -1])


def test_clips_are_learned_from_where_all_was_seen_and_half_of_them_where_much_changes() -> None:
    """The pixel loss covers frames from the fourth on, and every second crop favours places that change."""
    images = np.zeros((100, 3, 5, 64, 64), np.uint8)
    images[:, :, ::2, :8, :8] = 200
    data = split("blinking", RawImages(images.reshape(100, 3, 5 * 64, 64)))
    trainer = UpscaleTrainer(tiny(frames=5, crop=32, loss__adversarial=0.0, training__batch_size=32), data)
    twin = UpscaleTrainer(trainer.settings, data)
    truth = twin.real_batch()
    found = to_float(clips(truth, 5)[:, 3:]) - twin.generator(lower(truth, 5))[:, 3:]
    torch.testing.assert_close(trainer.step()["pixel_loss"], found.abs().mean(), rtol=1e-4, atol=1e-6)
    blinks = torch.stack([twin.real_batch().flatten(1).any(1) for _ in range(20)])  # 32 crops per batch
    anywhere, chosen = blinks[:, ::2].double().mean(), blinks[:, 1::2].double().mean()
    assert 0 < anywhere < 0.12  # (4 / 17)^2 of the places contain it
    assert 0.22 < chosen < 0.6  # the best of eight places is taken

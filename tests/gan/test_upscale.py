"""Upscaling: updates compared with slow code, the start of the adversarial loss, crops, export and settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gan.data.images import Images, Pixels, RawImages, Split, split, to_float
from gan.export import export_generator, load_generator
from gan.samples.sampling import sample
from gan.upscale.lowering import clips, lower
from gan.upscale.networks import EXAMPLES, varied
from gan.upscale.parts import grid
from gan.upscale.pictures import upscaled
from gan.upscale.settings import UpscaleSettings
from gan.upscale.trainer import UpscaleTrainer
from tests.gan.small import descended, same, slopes_of
from training.settings import changed

TINY: dict[str, Any] = {
    "crop": 8,
    "network.width": 4,
    "network.blocks": 1,
    "network.discriminator_width": 4,
    "training.batch_size": 4,
    "training.images": 80,
    "training.average_images": 0,
    "training.precision": "fp32",
    "training.device": "cpu",
    "loss.alone": 0.0,
}
RNG = np.random.default_rng(0)


def tiny(**values: Any) -> UpscaleSettings:
    """Return small settings; two underscores separate section and name."""
    return changed(UpscaleSettings(), {**TINY, **{name.replace("__", "."): value for name, value in values.items()}})


def edges(count: int, side: int, seed: int = 0) -> Pixels:
    """Return images of two flat halves parted by a straight line of any direction; a cubic kernel blurs the line."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] - side / 2
    turn, shift = rng.uniform(0, 2 * np.pi, (count, 1, 1)), rng.uniform(-side / 4, side / 4, (count, 1, 1))
    inside = np.cos(turn) * x + np.sin(turn) * y > shift
    dark, light = rng.integers(0, 80, (count, 1, 1)), rng.integers(150, 256, (count, 1, 1))
    return np.where(inside, light, dark).astype(np.uint8)[:, None]


@pytest.fixture(scope="module")
def lines() -> Images:
    """Return 240 edge images of 16x16 pixels, split into parts."""
    return split("edges", RawImages(edges(240, 16)))


@pytest.mark.parametrize("penalty", ["r1r2", "r1"])
def test_one_update_is_the_error_and_the_game_image_by_image(lines: Images, penalty: str) -> None:
    """Losses and both networks' gradients equal slow code; a lazy penalty is multiplied by its weight and interval."""
    loss = {"loss__penalty": penalty, "loss__adversarial": 0.5, "loss__weight": 0.7, "loss__every": 3}
    trainer = UpscaleTrainer(tiny(**loss), lines)
    torch.nn.init.normal_(trainer.generator.tail.weight, std=0.1)
    twin = UpscaleTrainer(trainer.settings, lines)
    twin.generator.load_state_dict(trainer.generator.state_dict())
    found = trainer.step()
    truth = twin.real_batch()
    real, small = to_float(truth), lower(truth, 1)
    fake = torch.cat([twin.generator(small[row : row + 1])[:, 0] for row in range(4)])
    games: list[Tensor] = []
    slopes: list[Tensor] = []
    for row in range(4):
        logits = []
        for image in (real[row], fake[row].detach()):
            x = image[None].clone().requires_grad_()
            logit = twin.discriminator(x)[0, 0]
            slopes.append(torch.autograd.grad(logit, x, create_graph=True)[0].square().sum())
            logits.append(logit)
        games.append(F.softplus(logits[1] - logits[0]))
    lost = torch.stack(games).mean()
    penalised = torch.stack(slopes if penalty == "r1r2" else slopes[::2]).sum() / 2 / 4
    error = (fake - real).abs().mean()
    torch.testing.assert_close(found["pixel_loss"], error, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found["discriminator_loss"], lost, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found["penalty"], penalised, rtol=1e-4, atol=1e-6)
    wanted = slopes_of(lost + 3 * 0.7 * penalised, twin.discriminator)
    torch.testing.assert_close(descended(trainer.discriminator), wanted, rtol=1e-4, atol=1e-6)
    after = trainer.discriminator
    game = torch.stack([F.softplus(after(real[row, None]) - after(fake[row, None])) for row in range(4)]).mean()
    torch.testing.assert_close(found["generator_loss"], game, rtol=1e-4, atol=1e-6)
    wanted = slopes_of(error + 0.5 * game, twin.generator)
    torch.testing.assert_close(descended(trainer.generator), wanted, rtol=1e-4, atol=1e-6)
    assert (trainer.images, trainer.steps) == (4, 1)


def test_the_game_begins_when_it_should(lines: Images) -> None:
    """Before `loss.alone` ends, and at weight 0, only the pixel loss trains and the discriminator is unchanged."""
    early, late = UpscaleTrainer(tiny(loss__alone=0.5), lines), UpscaleTrainer(tiny(loss__adversarial=0.0), lines)
    first = late.discriminator.state_dict()["0.weight"].clone()
    assert early.train(10).keys() == late.train(10).keys() == {"pixel_loss"}
    assert same(early.state()["networks"], late.state()["networks"])
    assert torch.equal(early.discriminator.state_dict()["0.weight"], first)
    assert "discriminator_loss" in early.train(1)
    assert not torch.equal(early.discriminator.state_dict()["0.weight"], first)


@pytest.mark.parametrize("frames", [1, 5])
def test_crops_are_true_ones_at_even_places(frames: int) -> None:
    data = split("clips", RawImages(RNG.integers(0, 256, (100, 3, frames * 12, 14), dtype=np.uint8)))
    trainer = UpscaleTrainer(tiny(frames=frames, crop=8), data)
    whole = clips(trainer.pixels, frames)
    for crop in clips(trainer.real_batch(), frames):
        turned = [crop, crop.flip(3)]
        ways = [each.rot90(turn, (2, 3)) for each in turned for turn in range(4)] if frames == 1 else [crop]
        places = [whole[:, :, :, y : y + 8, x : x + 8] for y in (0, 2, 4) for x in (0, 2, 4, 6)]
        assert any((way == place).flatten(1).all(1).any() for way in ways for place in places)


def test_an_exported_upscaler_is_loaded_and_has_no_noise(lines: Images, tmp_path: Path) -> None:
    trainer = UpscaleTrainer(tiny(), lines)
    trainer.train(3)
    export_generator(trainer, tmp_path, {})
    loaded = load_generator(tmp_path)
    assert loaded.settings == trainer.settings
    small = lower(torch.from_numpy(lines.report.images), 1).numpy()
    np.testing.assert_array_equal(upscaled(loaded.network, small), upscaled(trainer.average, small))
    np.testing.assert_array_equal(grid(loaded.network), grid(trainer.average))
    assert grid(loaded.network).shape == (EXAMPLES * 17 - 1, 4 * 17 - 1, 3)
    np.testing.assert_array_equal(loaded.network.examples.numpy(), varied(lines.select.images, EXAMPLES))
    for asked in (lambda: loaded.sample(3), lambda: sample(trainer.average, 3, 0)):
        with pytest.raises(ValueError, match="draws from images, not from noise"):
            asked()


@pytest.mark.parametrize(
    ("values", "remedy"),
    [
        ({"network__width": 0}, "must be 1 or more"),
        ({"network__seen": 2}, "use 1, or 4"),
        ({"network__seen": 4}, "give frames above 1"),
        ({"crop": 7}, "an even side or 0"),
        ({"frames": 0}, "give 1 or more"),
        ({"loss__adversarial": -1.0}, "must be 0 or more"),
        ({"loss__penalty": "gradient"}, "loss.penalty r1 or r1r2"),
        ({"training__critic_steps": 2}, "use 1"),
        ({"data__stack": 3}, "use 1"),
        ({"data__beside": 2}, "use 1"),
        ({"seed": -1}, "seed is -1: use 0 to 2147483647"),
    ],
)
def test_impossible_settings_are_refused(values: dict[str, Any], remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy):
        tiny(**values)


@pytest.mark.parametrize(("side", "frames", "crop"), [(7, 1, 4), (8, 1, 16), (8, 5, 4)])
def test_images_of_a_wrong_size_are_refused(side: int, frames: int, crop: int) -> None:
    part = Split(np.zeros((8, 1, side, side), np.uint8), None)
    with pytest.raises(ValueError, match="sides of a frame must be even"):
        UpscaleTrainer(tiny(frames=frames, crop=crop), Images("flat", part, part, part))

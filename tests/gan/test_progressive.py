"""Progressive growing: fading, one update and stages compared with slow code; and learning."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gan.adversarial import train_discriminator
from gan.data.images import Images, Split
from gan.export import export_generator, load_generator
from gan.progressive.growth import downsample, real_at, upsample
from gan.progressive.networks import GrowingDiscriminator, GrowingGenerator, ProgressiveNetworkSettings
from gan.progressive.parts import grid
from gan.progressive.settings import ProgressiveSettings
from gan.progressive.trainer import ProgressiveTrainer
from gan.samples.sampling import sample
from tests.gan.small import TINY, descended, leaves, slopes_of
from tests.gan.test_learning import corner_of
from training.settings import changed

GROWN = {"training.precision": "fp32", "growth.stages": 2, "growth.stable_images": 40, "growth.fade_images": 40}


def tiny(**values: Any) -> ProgressiveSettings:
    """Return settings for 8x8 images, grown from 4x4; two underscores separate section and name."""
    named = {name.replace("__", "."): value for name, value in values.items()}
    return changed(ProgressiveSettings(), {**TINY, **GROWN, **named})


def players(level: float = 0.0) -> tuple[GrowingGenerator, GrowingDiscriminator]:
    """Return conditional networks (3 classes) for 16x16 images, grown from 4 over 8 to 16 pixels."""
    torch.manual_seed(0)
    settings = ProgressiveNetworkSettings(latent=5, generator_width=2, discriminator_width=2, conditional=True)
    generator = GrowingGenerator(settings, (1, 16, 16), 3)
    generator.level.fill_(level)
    return generator, GrowingDiscriminator(settings, (1, 16, 16), 3)


def test_a_new_size_begins_where_the_old_one_ended() -> None:
    """Just above a level, images are the old ones enlarged, and the logits are unchanged."""
    generator, discriminator = players()
    latent, label = torch.randn(4, 5), torch.tensor([0, 1, 2, 0])
    with torch.no_grad():
        for level in (0.0, 1.0):
            old, new = (generator.grown(latent, label, level + more) for more in (0.0, 1e-6))
            torch.testing.assert_close(new, upsample(old), rtol=1e-4, atol=1e-4)
            said = discriminator(old, label, level)
            torch.testing.assert_close(discriminator(upsample(old), label, level + 1e-6), said, rtol=1e-4, atol=1e-4)
            real = torch.randn(4, 1, 16, 16)
            wanted = upsample(real_at(real, level, 2))
            torch.testing.assert_close(real_at(real, level + 1e-6, 2), wanted, rtol=1e-4, atol=1e-4)


def test_half_faded_networks_are_the_mean_of_both_paths() -> None:
    """At level 1.5, images and logits equal the mean of both paths, computed layer by layer."""
    generator, discriminator = players(1.5)
    latent, label = torch.randn(3, 5), torch.tensor([0, 1, 2])
    assert generator.embedding is not None
    assert discriminator.projection is not None
    with torch.no_grad():
        x = generator.first(torch.cat([latent, generator.embedding.weight[label]], 1))
        middle = generator.blocks[0](x)
        last = generator.blocks[1](middle)
        wanted = (upsample(generator.to_image[1](middle)) + generator.to_image[2](last)) / 2
        torch.testing.assert_close(generator.grown(latent, label, 1.5), wanted)
        torch.testing.assert_close(generator(latent, label), wanted)
        images = torch.randn(3, 1, 16, 16)
        x = discriminator.blocks[1](discriminator.from_image[2](images))
        x = (x + discriminator.from_image[1](downsample(images))) / 2
        features = discriminator.last(discriminator.blocks[0](x))
        word = discriminator.out(features)[:, 0] + (features * discriminator.projection.weight[label]).sum(1)
        torch.testing.assert_close(discriminator(images, label, 1.5), word)


def test_one_update_while_a_size_is_faded_in(corners: Images) -> None:
    """Loss, penalty and gradients of half-faded networks equal those computed image by image."""
    settings = tiny(loss__weight=0.7, loss__every=3, seed=1)  # seed 0 has a unit within rounding of its ReLU's kink
    trainer = ProgressiveTrainer(settings, corners)
    twin = ProgressiveTrainer(trainer.settings, corners)
    trainer.level = twin.level = 0.5
    found = train_discriminator(trainer)
    real, _ = twin.real_batch()
    assert real.shape == (8, 1, 8, 8)
    with torch.no_grad():
        fake = twin.generator.grown(twin.latents(8), None, 0.5)
    games: list[Tensor] = []
    slopes: list[Tensor] = []
    for row in range(8):
        logits = []
        for source in (real[row], fake[row]):
            image = source.clone().requires_grad_()
            logit = twin.discriminator(image[None], None, 0.5)[0]
            (slope,) = torch.autograd.grad(logit, image, create_graph=True)
            slopes.append(slope.square().sum())
            logits.append(logit)
        games.append(F.softplus(logits[1] - logits[0]))
    lost, penalised = torch.stack(games).mean(), torch.stack(slopes).sum() / 2 / 8
    torch.testing.assert_close(found["discriminator_loss"], lost, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found["penalty"], penalised, rtol=1e-4, atol=1e-5)
    wanted = slopes_of(lost + 3 * 0.7 * penalised, twin.discriminator)
    torch.testing.assert_close(descended(trainer.discriminator), wanted, rtol=1e-4, atol=1e-6)


def test_layers_to_come_stay_as_they_are_and_each_stage_is_kept(corners: Images) -> None:
    """Layers of the next size do not train before fading begins, and each finished stage's average is kept."""
    trainer = ProgressiveTrainer(tiny(), corners)
    fresh = {name: p.clone() for name, p in trainer.generator.named_parameters()}
    trainer.train(5)
    assert (trainer.images, float(trainer.generator.level)) == (40, 0.0)
    for name, p in trainer.generator.named_parameters():
        assert torch.equal(p, fresh[name]) == name.startswith(("blocks.", "to_image.1"))
    trainer.train(1)  # level 0 exactly: fading begins
    kept = copy.deepcopy(trainer.average.newest.state_dict())
    trainer.train(1)
    finished = trainer.average.finished[0].state_dict()
    assert float(trainer.generator.level) == pytest.approx(0.2)
    assert all(torch.equal(kept[name], finished[name]) for name in kept)
    trainer.train(6)
    assert float(trainer.generator.level) == 1.0
    assert all(torch.equal(kept[name], finished[name]) for name in kept)
    assert any(not torch.equal(p, fresh[name]) for name, p in trainer.generator.named_parameters() if "blocks" in name)


def test_a_grid_has_a_place_for_each_stage(corners: Images) -> None:
    trainer = ProgressiveTrainer(tiny(), corners)
    trainer.train(2)
    before = grid(trainer.average)
    trainer.train(12)
    after = grid(trainer.average)
    upper, lower = np.split(after, 2)
    assert before.shape == after.shape
    assert (np.split(before, 2)[1] == 0).all(), "nothing of the second size yet"
    assert lower.std() > 0
    first = upper[:8, :8, 0]
    np.testing.assert_array_equal(first, first[::2, ::2].repeat(2, 0).repeat(2, 1))  # 4x4 pixels, enlarged


def test_what_ends_before_it_is_grown_is_refused(corners: Images) -> None:
    """A training that would end before the last size is fully faded in is refused."""
    with pytest.raises(ValueError, match=r"training.images is 80, and the last size is whole after 80: give more"):
        ProgressiveTrainer(tiny(training__images=80), corners)
    assert ProgressiveTrainer(tiny(training__images=88), corners).settings.growth.images == 80
    ProgressiveTrainer(tiny(training__images=8, growth__stages=1), corners)


def test_a_truncation_that_would_change_nothing_is_refused(corners: Images) -> None:
    average = ProgressiveTrainer(tiny(), corners).average
    for generator in (average, average.newest):
        with pytest.raises(ValueError, match="use truncation 1"):
            sample(generator, 4, 0, 0.7)
    told = ProgressiveTrainer(tiny(network__conditional=True), corners).average
    assert (sample(told, 4, 0, 0.1) != sample(told, 4, 0)).any(), "its class is not shrunk, so the direction changes"


def test_direct_training_has_the_last_size_from_the_beginning(corners: Images) -> None:
    """With one stage (the control), the same networks train at the full size from the start, without fading."""
    direct, grown = (ProgressiveTrainer(tiny(growth__stages=stages), corners) for stages in (1, 2))
    assert (direct.level_at(0), grown.level_at(0)) == (1.0, 0.0)
    ours, theirs = (leaves(trainer.state()["networks"]["discriminator"]) for trainer in (direct, grown))
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours | theirs)
    direct.train(1)
    assert not direct.average.finished


def test_grown_networks_learn_four_kinds_of_pictures(corners: Images) -> None:
    trainer = ProgressiveTrainer(
        tiny(
            network__conditional=True,
            network__generator_width=8,
            training__batch_size=32,
            training__images=9_600,
            training__generator_rate=5e-3,
            training__discriminator_rate=5e-3,
            training__average_images=1_000,
            growth__stable_images=3_000,
            growth__fade_images=3_000,
            loss__weight=0.1,
        ),
        corners,
    )
    trainer.train(300)
    found = corner_of(sample(trainer.average, 200, seed=9))
    assert (found == np.arange(200) % 4).mean() > 0.9


def test_an_exported_generator_keeps_its_stages(corners: Images, tmp_path: Path) -> None:
    trainer = ProgressiveTrainer(tiny(network__conditional=True), corners)
    trainer.train(8)
    export_generator(trainer, tmp_path, {})
    loaded = load_generator(tmp_path)
    np.testing.assert_array_equal(loaded.sample(6, seed=3), sample(trainer.average, 6, seed=3))
    np.testing.assert_array_equal(grid(loaded.network, 1), grid(trainer.average, 1))


@pytest.mark.parametrize(
    ("values", "remedy"),
    [
        ({"growth__stages": 0}, "growth.stages must be 1 or more"),
        ({"growth__fade_images": -1}, "fade_images 0 or more"),
        ({"network__latent": 0}, "must be 1 or more"),
        ({"loss__kind": "wasserstein"}, "penalty r1 or r1r2"),
        ({"data__stack": 3}, "use 1"),
        ({"data__beside": 2}, "use 1"),
        ({"minutes": 0.0}, "minutes are above 0"),
        ({"growth__stages": 3}, "images of corners have 2 sizes: use that or less"),
        ({"network__conditional": True}, "corners has no classes: give labels, or use --network.no-conditional"),
    ],
)
def test_impossible_settings_are_refused(corners: Images, values: dict[str, Any], remedy: str) -> None:
    bare = Split(corners.train.images, None)
    with pytest.raises(ValueError, match=remedy):
        ProgressiveTrainer(tiny(**values), Images("corners", bare, bare, bare))

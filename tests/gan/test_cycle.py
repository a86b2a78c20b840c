"""Cycle-consistent GANs: pool, update and displayed panels compared with slow code; and learning of a rule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gan.cycle.domains import domains_of, moved, moved_back
from gan.cycle.networks import Shown
from gan.cycle.parts import grid
from gan.cycle.pool import Pool
from gan.cycle.settings import CycleSettings
from gan.cycle.trainer import CycleTrainer
from gan.data.images import Images
from gan.export import export_generator, load_generator
from gan.samples.sampling import draw
from tests.gan.small import TINY, descended, same, slopes_of
from training.settings import changed


def tiny(**values: Any) -> CycleSettings:
    """Return settings for 8x8 images; two underscores separate section and name."""
    fixed: dict[str, Any] = {name: value for name, value in TINY.items() if name != "network.latent"}
    fixed |= {"training.precision": "fp32", "second": "mirrored", "network.side": 2}
    return changed(CycleSettings(), {**fixed, **{name.replace("__", "."): value for name, value in values.items()}})


def test_the_pool_shows_new_and_earlier_fakes() -> None:
    """The pool fills first; then about half of the fakes returned are earlier ones, replaced by the new ones."""
    pool, rng = Pool(50), torch.Generator().manual_seed(0)
    fakes = torch.arange(650.0).view(-1, 1, 1, 1)
    assert torch.equal(pool.exchange(fakes[:50], rng), fakes[:50])
    kept, earlier = set(range(50)), 0
    for start in range(50, 650, 10):
        for new, shown in zip(range(start, start + 10), pool.exchange(fakes[start : start + 10], rng), strict=True):
            if int(shown) != new:
                kept = kept - {int(shown)} | {new}
                earlier += 1
    assert {int(image) for image in pool.images} == kept, "what was shown has left, its new fake is in its place"
    assert abs(earlier - 300) < 60
    assert all(image.untyped_storage().nbytes() == image.nbytes for image in pool.images), "no batch is kept"
    assert torch.equal(Pool(0).exchange(fakes, rng), fakes)
    other = Pool(50)
    other.load_state(pool.state(), "cpu")
    assert torch.equal(torch.stack(other.images), torch.stack(pool.images))
    assert len(Pool(3).state()) == 0


def slow_loss(kind: str, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """Return the generator's and the discriminator's loss of one domain, from logits."""
    if kind == "least_squares":
        return (fake - 1).square().mean() / 2, ((real - 1).square().mean() + fake.square().mean()) / 2
    return F.softplus(real - fake).mean(), F.softplus(fake - real).mean()


def misread(trainer: CycleTrainer, data: Images, rows: list[Tensor], translations: tuple[Tensor, Tensor]) -> Tensor:
    """Return the cross-entropy between the target domain's classifier on translations and the source classes."""
    assert trainer.semantic is not None
    trainer.semantic.prepare()
    found, domains = [], domains_of(data, trainer.settings.second)
    for domain, index, images, reader in zip(domains, rows, translations, trainer.semantic.readers[::-1], strict=True):
        assert domain.train.labels is not None
        labels = domain.train.labels[index.numpy()]
        chances = [reader(image[None]).softmax(1)[0, label] for image, label in zip(images, labels, strict=True)]
        found.append(-torch.stack(chances).log().mean())
    return torch.stack(found).sum()


@pytest.mark.parametrize("kind", ["least_squares", "relativistic"])
def test_one_step_is_the_papers(corners: Images, untrained_readers: list[int], kind: str) -> None:
    """One update equals equation 3 with identity and semantic loss, and the discriminators' losses with penalties."""
    held = {"held__cycle": 7.0, "held__identity": 3.0, "held__noise": 0.3, "held__meaning": 2.0}
    trainer = CycleTrainer(tiny(loss__kind=kind, loss__weight=0.7, loss__every=3, **held), corners)
    for network in (trainer.generator, trainer.discriminator):
        for parameter in network.parameters():
            parameter.data += 0.02 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    rows = trainer.real.rows(trainer.settings.training.batch_size // 2)
    x, y = trainer.real.images(rows)
    forth, back = trainer.generator.forth, trainer.generator.back
    games = [trainer.discriminator.first, trainer.discriminator.second]
    fakes = [back(y), forth(x)]
    game = sum(slow_loss(kind, d(real), d(fake))[0] for d, real, fake in zip(games, (x, y), fakes, strict=True))
    rng = torch.Generator().manual_seed(trainer.settings.seed + 1)
    noise = [0.3 * torch.randn(x.shape, generator=rng) for _ in range(2)]
    cycle = (back(fakes[1] + noise[0]) - x).abs().mean() + (forth(fakes[0] + noise[1]) - y).abs().mean()
    identity = (back(x) - x).abs().mean() + (forth(y) - y).abs().mean()
    weight = forth.entry.weight
    read = misread(trainer, corners, rows, (fakes[1], fakes[0]))
    (slope,) = torch.autograd.grad(game + 7 * cycle + 3 * identity + 2 * read, weight)
    losses, fake_x, fake_y = trainer.train_translators(x, y, rows)
    torch.testing.assert_close(losses["generator_loss"], torch.as_tensor(game))
    torch.testing.assert_close(losses["cycle"], cycle / 2)
    torch.testing.assert_close(weight.grad, slope, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close((fake_x, fake_y), (fakes[0].detach(), fakes[1].detach()))
    slopes, wanted = [], []
    for discriminator, real, fake in zip(games, (x, y), (fake_x, fake_y), strict=True):
        for image in [*real, *fake]:
            image = image.clone().requires_grad_()
            (by_image,) = torch.autograd.grad(discriminator(image[None]).sum(), image, create_graph=True)
            slopes.append(by_image.square().sum())
        wanted.append(slow_loss(kind, discriminator(real), discriminator(fake))[1])
    patches = trainer.discriminator.first(x).numel()
    lost, penalised = torch.stack(wanted).mean(), torch.stack(slopes).sum() / 2 / (2 * patches)
    downhill = slopes_of(lost + 3 * 0.7 * penalised, trainer.discriminator)
    found = trainer.train_discriminators(x, fake_x, y, fake_y)
    torch.testing.assert_close(found["discriminator_loss"], lost)
    torch.testing.assert_close(found["penalty"], penalised, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(descended(trainer.discriminator), downhill, rtol=1e-4, atol=1e-6)
    assert trainer.images == 8
    assert 0 not in untrained_readers, "the judge's classifiers have seed 0"


def test_what_is_shown_are_images_and_their_way_there_and_back(corners: Images) -> None:
    trainer = CycleTrainer(tiny(), corners)
    for parameter in trainer.average.parameters():
        parameter.data += 0.1
    shelf, count, pair = trainer.average.shelf, trainer.settings.scores.samples, trainer.average.pair
    panels = trainer.average(shelf[:, [3, 41]].transpose(0, 1)).split(8, 3)
    for row, part, place in ((0, corners.select, 3), (1, corners.report, 41 - count)):
        x = torch.from_numpy(part.images[place % len(part)]).float()[None] / 127.5 - 1
        y = torch.from_numpy(moved(part.images[place % len(part)], "mirrored")).float()[None] / 127.5 - 1
        wanted = [x, pair.forth(x), pair.back(pair.forth(x)), y, pair.back(y), pair.forth(pair.back(y))]
        for found, panel in zip(panels, wanted, strict=True):
            torch.testing.assert_close(found[row : row + 1], panel)


def test_it_goes_on_bit_for_bit(corners: Images, untrained_readers: list[int]) -> None:
    """A trainer restored from a checkpoint continues identically, including a full pool of earlier fakes."""
    first = CycleTrainer(tiny(held__pool=5, held__meaning=1.0), corners)
    first.train(4)
    second = CycleTrainer(first.settings, corners)
    second.load_state(first.state())
    first.train(3)
    second.train(3)
    assert same(first.state(), second.state())
    assert len(untrained_readers) == 2, "the second one's came with the checkpoint"


def test_a_rule_is_learnt_without_a_pair(corners: Images) -> None:
    """After unpaired training, translations are near the true counterparts; untranslated images are not."""
    recipe = {"second": "striped", "network__generator_width": 16, "network__blocks": 1, "held__cycle": 1.0}
    rates = {"training__generator_rate": 2e-3, "training__discriminator_rate": 5e-3, "training__average_images": 300}
    loss = {"loss__weight": 0.02, "loss__every": 2}
    trainer = CycleTrainer(tiny(**recipe, **rates, **loss, training__batch_size=16), corners)
    trainer.train(180)
    shown = draw(trainer.average, trainer.average.shelf.transpose(0, 1), None)
    x, there, again, y, back, _ = np.split(shown, Shown.PANELS, 3)
    for found, image, truth in ((there, x, moved(x, "striped")), (back, y, moved_back(y, "striped"))):
        assert np.abs(found.astype(int) - truth).mean() < 17
        assert np.abs(image.astype(int) - truth).mean() > 30
    assert np.abs(again.astype(int) - x).mean() < 10


def test_an_exported_translator_is_loaded_with_its_images(corners: Images, tmp_path: Path) -> None:
    trainer = CycleTrainer(tiny(network__rows=True), corners)
    trainer.train(2)
    export_generator(trainer, tmp_path, {})
    loaded = load_generator(tmp_path)
    assert loaded.settings == trainer.settings
    np.testing.assert_array_equal(loaded.network.shelf.numpy(), trainer.average.shelf.numpy())
    np.testing.assert_array_equal(grid(loaded.network, seed=3), grid(trainer.average, seed=3))
    assert (grid(loaded.network, seed=3) != grid(loaded.network, seed=4)).any()
    with pytest.raises(ValueError, match="draws from images, not from noise"):
        loaded.sample(5)


@pytest.mark.parametrize(
    ("values", "remedy"),
    [
        ({"second": "colours"}, "use one of small_digits, striped, inverted, mirrored"),
        ({"network__side": 0}, "must be 1 or more"),
        ({"network__blocks": -1}, "network.blocks 0 or more"),
        ({"held__cycle": -1.0}, "held.cycle is -1.0"),
        ({"held__meaning": -1.0}, "held.meaning is -1.0"),
        ({"held__pool": -1}, "held.pool is -1"),
        ({"training__batch_size": 7}, "use an even one"),
        ({"training__critic_steps": 2}, "use 1"),
        ({"loss__penalty": "gradient"}, "loss.penalty r1 or r1r2"),
        ({"data__stack": 3}, "use 1"),
        ({"data__beside": 2}, "use 1"),
        ({"seed": -1}, "seed is -1: use 0 to 2147483647"),
    ],
)
def test_impossible_settings_are_refused(values: dict[str, Any], remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy):
        tiny(**values)

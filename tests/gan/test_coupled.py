"""Coupled GANs compared with slow code: shared layers, domains, losses and penalties; and learning of pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gan.adversarial import train_discriminator
from gan.coupled.domains import agreement
from gan.coupled.networks import CoupledDiscriminator, CoupledGenerator, CoupledNetworkSettings
from gan.coupled.settings import CoupledSettings
from gan.coupled.trainer import CoupledTrainer
from gan.data.images import Images
from gan.export import export_generator, load_generator
from gan.samples.sampling import sample
from tests.gan.small import TINY, descended, slopes_of
from tests.gan.test_learning import corner_of
from training.settings import changed


def tiny(**values: Any) -> CoupledSettings:
    """Return settings for 8x8 images; two underscores separate section and name."""
    fixed = {**TINY, "training.precision": "fp32"}
    return changed(CoupledSettings(), {**fixed, **{name.replace("__", "."): value for name, value in values.items()}})


def networks(coupling: str) -> tuple[CoupledGenerator, CoupledDiscriminator]:
    """Return the coupled generators and discriminators for 16x16 images."""
    torch.manual_seed(0)
    settings = CoupledNetworkSettings(coupling=coupling, latent=5, generator_width=4, discriminator_width=4)  # type: ignore[arg-type]
    return CoupledGenerator(settings, (1, 16, 16)), CoupledDiscriminator(settings, (1, 16, 16))


def slow_image(generator: CoupledGenerator, latent: Tensor, coupling: str, domain: int) -> Tensor:
    """Compute one domain's image of one latent, [Z] -> [1, 16, 16], layer by layer."""
    layers: list[Any] = [*generator.shared, *list(generator.own[domain])[:-1]]  # type: ignore[arg-type]
    if coupling == "bit":
        latent = torch.cat([latent, torch.tensor([-1.0 if domain == 0 else 1.0])])
    linear = layers[0][0]
    x = (linear.weight @ latent + linear.bias).reshape(4, 4, 16).permute(2, 0, 1)[None]
    for norm, _, convolution in layers[1:]:
        mean, var = norm.running_mean.view(1, -1, 1, 1), norm.running_var.view(1, -1, 1, 1)
        x = (x - mean) / (var + norm.eps).sqrt() * norm.weight.view(1, -1, 1, 1) + norm.bias.view(1, -1, 1, 1)
        convolve = F.conv_transpose2d if convolution.kernel_size == (4, 4) else F.conv2d
        x = convolve(x.clamp(min=0), convolution.weight, convolution.bias, convolution.stride, convolution.padding)
    return x[0].tanh()


@pytest.mark.parametrize(("coupling", "own"), [("layers", (1, 1)), ("none", (5, 4)), ("bit", (0, 0))])
def test_networks_share_what_they_should(coupling: str, own: tuple[int, int]) -> None:
    """Each coupling shares the expected layers (generator 5, discriminator 4), and images equal slow code."""
    generator, discriminator = networks(coupling)
    generator.eval()
    latent = torch.randn(3, 5)
    found = generator(latent)
    for row in range(3):
        for domain in range(2):
            wanted = slow_image(generator, latent[row], coupling, domain)
            torch.testing.assert_close(found[row, :, :, 16 * domain : 16 * domain + 16], wanted, rtol=1e-4, atol=1e-5)
    assert [len(each) - 1 for each in generator.own] == [own[0]] * 2  # type: ignore[arg-type]
    assert [len(each) for each in discriminator.own] == [own[1]] * 2  # type: ignore[arg-type]
    assert (len(generator.shared), len(discriminator.shared)) == (5 - own[0], 4 - own[1])
    before = found[:, :, :, 16:]
    for parameter in generator.own[0].parameters():
        parameter.data += 1.0
    assert torch.equal(generator(latent)[:, :, :, 16:], before), (
        "what one domain has for itself is no matter of the other"
    )


@pytest.mark.parametrize("coupling", ["layers", "none", "bit"])
def test_a_discriminator_sees_its_own_domain_alone(coupling: str) -> None:
    _, discriminator = networks(coupling)
    images = torch.randn(3, 1, 16, 32, requires_grad=True)
    logit = discriminator(images)
    assert logit.shape == (3, 2)
    for column in range(2):
        (slope,) = torch.autograd.grad(logit[:, column].sum(), images, retain_graph=True)
        seen, other = slope.chunk(2, 3) if column == 0 else slope.chunk(2, 3)[::-1]
        assert (other == 0).all()
        assert (seen.flatten(1).abs().sum(1) > 0).all()
    swapped = discriminator(torch.cat(images.chunk(2, 3)[::-1], 3)).flip(1)
    assert not torch.equal(swapped, logit), "each domain has something of its own"


@pytest.mark.parametrize("penalty", ["r1r2", "r1"])
def test_both_games_and_their_penalties_count_alike(corners: Images, penalty: str) -> None:
    """An update's loss, penalty and gradients equal those computed image by image and domain by domain."""
    trainer = CoupledTrainer(tiny(loss__penalty=penalty, loss__weight=0.7, loss__every=3), corners)
    twin = CoupledTrainer(trainer.settings, corners)
    found = train_discriminator(trainer)
    real, _ = twin.real_batch()
    with torch.no_grad():
        fake = twin.generator(twin.latents(4))
    games: list[Tensor] = []
    slopes: list[Tensor] = []
    for row in range(4):
        for domain in range(2):
            logits = []
            for source, pair in (("real", real[row]), ("fake", fake[row])):
                image = pair.clone().requires_grad_()
                logit = twin.discriminator(image[None])[0, domain]
                (slope,) = torch.autograd.grad(logit, image, create_graph=True)
                if source == "real" or penalty == "r1r2":
                    slopes.append(slope.square().sum())
                logits.append(logit)
            games.append(F.softplus(logits[1] - logits[0]))
    lost, penalised = torch.stack(games).mean(), torch.stack(slopes).sum() / 2 / 8
    torch.testing.assert_close(found["discriminator_loss"], lost, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found["penalty"], penalised, rtol=1e-4, atol=1e-5)
    wanted = slopes_of(lost + 3 * 0.7 * penalised, twin.discriminator)
    torch.testing.assert_close(descended(trainer.discriminator), wanted, rtol=1e-4, atol=1e-6)
    assert trainer.images == 8


def test_pairs_that_were_never_shown_are_learnt(corners: Images) -> None:
    """Shared layers learn to pair a bright corner with its negative from unpaired data; separate GANs do not."""
    recipe = {
        "second": "negatives",
        "network__discriminator_width": 16,
        "training__batch_size": 64,
        "training__generator_rate": 5e-4,
        "training__discriminator_rate": 4e-3,
        "training__average_images": 2_000,
        "loss__weight": 1.0,
    }
    found = {}
    for coupling in ("layers", "none"):
        trainer = CoupledTrainer(tiny(network__coupling=coupling, **recipe), corners)
        trainer.train(250)
        images = sample(trainer.average, 200, seed=9)
        found[coupling] = agreement(images, "negatives"), agreement(images, "negatives", shift=1)
    assert found["layers"][0] > 0.9
    assert found["layers"][1] < 0.75, "all four corners are drawn: one alone would agree with itself"
    assert found["none"][0] < 0.8
    corner = corner_of(images[:, :, :, :8])
    assert np.bincount(corner[corner >= 0], minlength=4).min() > 0


def test_an_exported_pair_is_loaded_by_its_family(corners: Images, tmp_path: Path) -> None:
    trainer = CoupledTrainer(tiny(network__coupling="bit"), corners)
    trainer.train(2)
    export_generator(trainer, tmp_path, {})
    loaded = load_generator(tmp_path)
    assert loaded.settings == trainer.settings
    np.testing.assert_array_equal(loaded.sample(5, seed=3), sample(trainer.average, 5, seed=3))
    card = tmp_path / "generator.json"
    card.write_text(card.read_text().replace("gan.coupled.parts", "os.path"))
    with pytest.raises(ValueError, match=r"'os\.path' is no family of ours"):
        load_generator(tmp_path)


@pytest.mark.parametrize(
    ("values", "remedy"),
    [
        ({"second": "colours"}, "use one of edges, negatives"),
        ({"network__coupling": "half"}, "use one of layers, none, bit"),
        ({"network__latent": 0}, "must be 1 or more"),
        ({"training__batch_size": 7}, "use an even one"),
        ({"loss__penalty": "gradient"}, "loss.penalty r1 or r1r2"),
        ({"data__stack": 3}, "use 1"),
        ({"data__beside": 2}, "use 1"),
        ({"seed": -1}, "seed is -1: use 0 to 2147483647"),
    ],
)
def test_impossible_settings_are_refused(values: dict[str, Any], remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy):
        tiny(**values)

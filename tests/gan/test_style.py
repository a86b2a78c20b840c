"""Style-based GANs: style mixing, updates and reported scores compared with slow code; and learning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gan.adversarial import train_discriminator
from gan.data.images import Images
from gan.evaluation.attributes import stroke_width
from gan.evaluation.features import Classifier, Extractor
from gan.evaluation.metrics import classes_of
from gan.evaluation.scores import Judge
from gan.export import export_generator, load_generator
from gan.samples.sampling import sample
from gan.style.mixing import COLUMNS, ROWS, drawn, mixing_grid, mixing_scores, sources
from gan.style.parts import beside, pictures
from gan.style.settings import StyleSettings
from gan.style.trainer import StyleTrainer
from tests.gan.small import TINY, descended, slopes_of
from tests.gan.test_learning import corner_of
from training.settings import changed

SMALL = {"training.precision": "fp32", "network.style": 8, "network.mapping_layers": 2}


def tiny(**values: Any) -> StyleSettings:
    """Return settings for 8x8 images; two underscores separate section and name."""
    named = {name.replace("__", "."): value for name, value in values.items()}
    return changed(StyleSettings(), {**TINY, **SMALL, **named})


@torch.no_grad()
def test_images_change_their_style_once_at_any_layer(corners: Images) -> None:
    """A share `mixing` of images changes style once, at a uniform layer after the first, to another latent's style."""
    for mixing, share in ((0.0, 0.0), (0.5, 0.5), (1.0, 1.0)):
        trainer = StyleTrainer(tiny(mixing=mixing), corners)
        depth, styles = trainer.generator.depth, trainer.styles(2_000)
        assert styles.shape == (2_000, 4, 8)
        changes = (styles[:, 1:] != styles[:, :-1]).any(2)
        assert int(changes.sum(1).max()) <= 1
        assert float(changes.any(1).float().mean()) == pytest.approx(share, abs=0.05)
        torch.testing.assert_close(changes.float().mean(0), torch.full((depth - 1,), share / 3), atol=0.05, rtol=0)
    twin = StyleTrainer(trainer.settings, corners)
    latent = torch.randn(2, 2_000, 8, generator=twin.rng)
    torch.testing.assert_close(styles[:, 0], twin.generator.mapping(latent[0]))
    torch.testing.assert_close(styles[:, -1], twin.generator.mapping(latent[1]))


def test_a_class_is_the_first_layers_style(corners: Images) -> None:
    """The class embedding replaces the first layer's style only, and real images come with their own classes."""
    trainer = StyleTrainer(tiny(network__conditional=True), corners)
    generator = trainer.generator
    assert generator.embedding is not None
    styles, label = torch.randn(5, 4, 8), torch.tensor([3, 0, 1, 1, 2])
    told = styles.clone()
    told[:, 0] = generator.embedding.weight[label].detach()
    generator.embedding, embedding = None, generator.embedding
    wanted = generator.synthesis(told)
    generator.embedding = embedding
    torch.testing.assert_close(generator.synthesis(styles, label), wanted)
    with pytest.raises(AssertionError, match="needs classes"):
        generator.synthesis(styles)
    real, classes = trainer.real_batch()
    assert classes is not None
    assert corners.train.labels is not None
    kinds = {image.tobytes(): int(kind) for image, kind in zip(corners.train.images, corners.train.labels, strict=True)}
    assert classes.tolist() == [kinds[image.tobytes()] for image in ((real + 1) * 127.5).round().byte().numpy()]


def test_classes_that_are_not_there_cannot_be_told(corners: Images) -> None:
    bare = type(corners.train)(corners.train.images, None)
    with pytest.raises(ValueError, match=r"corners has no classes: give labels, or use --network\.no-conditional"):
        StyleTrainer(tiny(network__conditional=True), Images("corners", bare, bare, bare))


def test_a_mixed_image_has_the_class_of_its_row(corners: Images) -> None:
    """A mixed image takes its class from the coarse source; the fine source's class has no effect."""
    trainer = StyleTrainer(tiny(network__conditional=True), corners)
    both = sources(trainer.average, 40, seed=2)
    one, other = both.rows(slice(20)), both.rows(slice(20, None))
    assert one.label is not None
    assert set(one.label.tolist()) == set(range(4))
    again = other._replace(label=(other.label + 1) % 4 if other.label is not None else None)
    np.testing.assert_array_equal(drawn(trainer.average, one, other, 1), drawn(trainer.average, one, again, 1))
    moved = one._replace(label=(one.label + 1) % 4)
    assert (drawn(trainer.average, one, other, 1) != drawn(trainer.average, moved, other, 1)).any()
    assert both.rows([3, 3]).label == pytest.approx(one.label[[3, 3]])


@pytest.mark.parametrize(("penalty", "conditional"), [("r1r2", False), ("r1", False), ("r1r2", True)])
def test_one_update(corners: Images, penalty: str, conditional: bool) -> None:
    """Loss, penalty and gradients equal those image by image; a fake has the class of its real counterpart."""
    loss = {"loss__penalty": penalty, "loss__weight": 0.7, "loss__every": 3}
    trainer = StyleTrainer(tiny(**loss, network__conditional=conditional), corners)
    twin = StyleTrainer(trainer.settings, corners)
    found = train_discriminator(trainer)
    real, label = twin.real_batch()
    with torch.no_grad():
        fake = twin.fake_batch(8, label)
    games: list[Tensor] = []
    slopes: list[Tensor] = []
    for row in range(8):
        logits = []
        for image in (real[row].clone().requires_grad_(), fake[row].clone().requires_grad_()):
            logit = twin.discriminator(image[None], None if label is None else label[row : row + 1])[0]
            slopes += torch.autograd.grad(logit, image, create_graph=True)
            logits.append(logit)
        games.append(F.softplus(logits[1] - logits[0]))
    squares = torch.stack([slope.square().sum() for slope in slopes[:: 1 if penalty == "r1r2" else 2]])
    lost, penalised = torch.stack(games).mean(), squares.sum() / 2 / 8
    torch.testing.assert_close(found["discriminator_loss"], lost, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found["penalty"], penalised, rtol=1e-4, atol=1e-5)
    wanted = slopes_of(lost + 3 * 0.7 * penalised, twin.discriminator)
    torch.testing.assert_close(descended(trainer.discriminator), wanted, rtol=1e-4, atol=1e-6)


def learnt(corners: Images) -> StyleTrainer:
    """Return a trainer that has learnt the four corners."""
    trainer = StyleTrainer(
        tiny(
            network__discriminator_width=16,
            network__discriminator_hidden=64,
            network__mapping_rate=0.1,
            training__batch_size=32,
            training__generator_rate=1e-2,  # at twice the rate, rounding decides what is learned
            training__discriminator_rate=4e-3,
            training__average_images=1_000,
            loss__weight=0.3,
        ),
        corners,
    )
    trainer.train(400)
    return trainer


def test_styles_learn_four_kinds_of_pictures(corners: Images) -> None:
    """All four classes are drawn, and the corner follows the coarse source (in this training, as in most)."""
    generator = learnt(corners).average
    corner = corner_of(sample(generator, 200, seed=9))
    assert (corner >= 0).mean() > 0.8
    assert np.bincount(corner[corner >= 0], minlength=4).min() > 10
    both = sources(generator, 400, seed=1)
    first, second = both.rows(slice(200)), both.rows(slice(200, None))
    mixed, coarse = (corner_of(drawn(generator, *each, 2)) for each in ((first, second), (first, first)))
    assert (mixed == coarse).mean() > 0.8


def test_mixed_images_are_judged_beside_both_sources(corners: Images) -> None:
    """Mixing scores equal those computed from the mixed and source images; the picture has the sources at its edges."""
    trainer = StyleTrainer(tiny(), corners)
    generator, extractor = trainer.average, Extractor(Classifier(1, 4), 0.5)
    found = mixing_scores(generator, extractor, 2, 30, seed=5)
    w = generator.mapping(torch.randn(60, 8, generator=torch.Generator().manual_seed(5)))
    one, other = w[:30, None].repeat(1, 4, 1), w[30:, None].repeat(1, 4, 1)
    both = torch.cat([one[:, :2], other[:, 2:]], 1)
    images = [((generator.synthesis(each) + 1) * 127.5).round().byte().numpy() for each in (both, one, other)]
    mixed, coarse, fine = (classes_of(extractor.features(each)[1]) for each in images)
    widths = [stroke_width(each) for each in images]
    assert found["mixing_class"] == pytest.approx(np.mean([a == b for a, b in zip(mixed, coarse, strict=True)]))
    assert found["mixing_class_fine"] == pytest.approx(np.mean([a == b for a, b in zip(mixed, fine, strict=True)]))
    assert found["mixing_width"] == pytest.approx(np.corrcoef(widths[0], widths[2])[0, 1])
    assert found["mixing_width_coarse"] == pytest.approx(np.corrcoef(widths[0], widths[1])[0, 1])
    picture = mixing_grid(generator, 2, seed=7)
    assert picture.shape == (9 * (ROWS + 1) - 1, 9 * (COLUMNS + 1) - 1, 3)
    tops = sample(generator, ROWS + COLUMNS, seed=7)
    np.testing.assert_array_equal(picture[:8, 9:17, 0], tops[ROWS, 0])
    np.testing.assert_array_equal(picture[9:17, :8, 0], tops[0, 0])


@pytest.mark.parametrize("conditional", [False, True])
def test_the_report_says_what_images_alone_do_not(corners: Images, conditional: bool) -> None:
    trainer = StyleTrainer(tiny(network__conditional=conditional), corners)
    judge = Judge(corners, Extractor(Classifier(1, 4), 0.5), trainer.settings.scores, "select")
    scores = beside(trainer.average, judge)
    assert {"path_z", "path_w", "mixing_class", "mixing_width"} <= scores.keys()
    assert pictures(trainer.average).keys() == {"mixing"}


@pytest.mark.parametrize("conditional", [False, True])
def test_an_exported_generator_draws_the_same(corners: Images, tmp_path: Path, conditional: bool) -> None:
    trainer = StyleTrainer(tiny(network__conditional=conditional), corners)
    trainer.train(2)
    export_generator(trainer, tmp_path, {})
    loaded = load_generator(tmp_path)
    assert loaded.settings == trainer.settings
    np.testing.assert_array_equal(loaded.sample(5, seed=3), sample(trainer.average, 5, seed=3))
    with pytest.raises(ValueError, match="shrunk ones change nothing: use truncation 1"):
        loaded.sample(5, seed=3, truncation=0.7)


@pytest.mark.parametrize(
    ("values", "remedy"),
    [
        ({"mixing": 1.5}, "a probability lies in 0..1"),
        ({"network__mapping_layers": 0}, "must be 1 or more"),
        ({"network__discriminator_hidden": -1}, "discriminator_hidden 0 or more"),
        ({"network__mapping_rate": 0.0}, "use more than 0"),
        ({"loss__kind": "wasserstein"}, "loss.penalty r1 or r1r2"),
        ({"data__stack": 3}, "use 1"),
        ({"data__beside": 2}, "use 1"),
        ({"minutes": 0.0}, "minutes are above 0"),
    ],
)
def test_impossible_settings_are_refused(values: dict[str, Any], remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy):
        tiny(**values)

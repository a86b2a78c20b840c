"""One discriminator update compared with slow code: loss, penalty and Adam's first step."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gan.adversarial import logits_of_both, train_discriminator
from gan.data.images import Images
from gan.standard.trainer import Trainer
from gan.updates import set_rates
from tests.gan.small import descended, slopes_of
from tests.gan.test_trainer import trainer_for


def slow_loss(twin: Trainer, penalty: str) -> tuple[Tensor, Tensor]:
    """Return the loss and the unweighted penalty of the twin's next batch (`gradient` is Wasserstein's)."""
    network = twin.discriminator
    real, _ = twin.real_batch()
    with torch.no_grad():
        fake = twin.generator(twin.latents(8))
    if penalty == "gradient":
        share = torch.rand(8, generator=twin.rng).view(8, 1, 1, 1).to(real.device)
        middle = (share * real + (1 - share) * fake).requires_grad_()
        (slope,) = torch.autograd.grad(network(middle).sum(), middle, create_graph=True)
        norm = slope.square().sum((1, 2, 3)).sqrt()
        return network(fake).mean() - network(real).mean(), (norm - 1).square().mean()
    real.requires_grad_(), fake.requires_grad_()
    real_logit, fake_logit = network(real), network(fake)
    total = torch.zeros(())
    for images, logit in ((real, real_logit), (fake, fake_logit)):
        (slope,) = torch.autograd.grad(logit.sum(), images, create_graph=True)
        total = total + slope.square().sum((1, 2, 3)).mean() / 2
    return -F.logsigmoid(real_logit - fake_logit).mean(), total


@pytest.mark.parametrize(
    ("kind", "penalty", "every"),
    [("relativistic", "r1r2", 1), ("relativistic", "r1r2", 3), ("wasserstein", "gradient", 1)],
)
def test_one_discriminator_step_equals_the_formulas(corners: Images, kind: str, penalty: str, every: int) -> None:
    """Loss, penalty, gradients and Adam's step equal the formulas; a penalty every third update counts three times."""
    values = {"loss__kind": kind, "loss__penalty": penalty, "loss__every": every, "loss__weight": 0.7}
    values |= {"training__precision": "fp32", "training__discriminator_rate": 1e-3}
    trainer, twin = (trainer_for(corners, **values) for _ in range(2))
    loss, penalised = slow_loss(twin, penalty)
    gradients = slopes_of(loss + every * 0.7 * penalised, twin.discriminator)
    wanted = [p - 1e-3 * g / (g.abs() + 1e-8) for p, g in zip(twin.discriminator.parameters(), gradients, strict=True)]
    untouched = {name: p.clone() for name, p in trainer.generator.named_parameters()}
    set_rates(trainer.optimizers, trainer.settings.training, trainer.images)
    found = train_discriminator(trainer)
    torch.testing.assert_close(found["discriminator_loss"], loss, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found["penalty"], penalised, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(descended(trainer.discriminator), gradients, rtol=1e-4, atol=1e-6)
    for got, want in zip(trainer.discriminator.parameters(), wanted, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-3, atol=1e-5)
    for name, p in trainer.generator.named_parameters():
        assert torch.equal(p, untouched[name])


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_under_batch_norm_neither_half_sees_the_other(corners: Images, norm: str) -> None:
    """Real and fake halves pass separately; without batch norm, one pass over both gives the same logits."""
    values = {
        "loss__kind": "nonsaturating",
        "loss__penalty": "none",
        "network__discriminator_norm": norm,
        "network__kind": "mlp",
        "training__precision": "fp32",
    }
    trainer = trainer_for(corners, **values, network__conditional=True)
    real, label = trainer.real_batch()
    assert label is not None
    with torch.no_grad():
        fake = trainer.fake_batch(8, label)
        found = logits_of_both(trainer, torch.cat([real, fake]), label)
        whole = trainer.discriminator(torch.cat([real, fake]), label.repeat(2))
        halves = torch.cat([trainer.discriminator(half, label) for half in (real, fake)])
    torch.testing.assert_close(found, halves)
    assert torch.allclose(found, whole, atol=1e-4) == (norm == "none")

"""The trainer: bit-exact resuming, clones, weight averages, divergence."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gan.adversarial import train_generator
from gan.data.images import Images, to_float
from gan.samples.sampling import sample
from gan.standard.trainer import Trainer
from gan.updates import set_rates
from tests.gan.small import leaves, same, tiny
from training.storage import checkpoint

VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "bf16": {"training__precision": "bf16"},
    "lazy": {"loss__every": 3, "loss__penalty": "r1", "loss__kind": "nonsaturating"},
    "wasserstein": {"loss__kind": "wasserstein", "loss__penalty": "gradient", "training__critic_steps": 2},
    "hinge": {"loss__kind": "hinge", "loss__penalty": "none", "network__discriminator_norm": "spectral"},
    "control": {"loss__kind": "nonsaturating", "loss__penalty": "none", "network__discriminator_norm": "batch"},
    "packed": {"network__pack": 2, "data__stack": 2},
    "conditional": {"network__conditional": True, "training__decay_from": 0.0},
    "mlp": {"network__kind": "mlp", "loss__kind": "minimax", "network__generator_norm": "none"},
    "attention": {"network__attention": True, "loss__kind": "least_squares"},
}


def trainer_for(data: Images, **values: Any) -> Trainer:
    settings = tiny(**values)
    stack = settings.data.stack
    return Trainer(settings, data if stack == 1 else Images(data.name, data.train, data.select, data.report, stack))


@pytest.mark.parametrize("variant", VARIANTS)
def test_resuming_is_bit_exact(corners: Images, variant: str, tmp_path: Path) -> None:
    """Six steps equal three, a checkpoint on disk loaded by another trainer, and three more, in every value."""
    straight, first, second = (trainer_for(corners, **VARIANTS[variant]) for _ in range(3))
    straight.train(6)
    first.train(3)
    second.train(1)  # its earlier state is replaced
    checkpoint.save(tmp_path / "saved", first.state())
    second.load_state(checkpoint.load(tmp_path / "saved"))
    assert same(first.state(), second.state())
    second.train(3)
    assert same(straight.state(), second.state())
    assert not same(first.state(), second.state())


def test_the_same_seed_gives_the_same_grid_and_another_one_does_not(corners: Images) -> None:
    grids = []
    for seed in (0, 0, 1):
        trainer = trainer_for(corners, seed=seed)
        trainer.train(4)
        grids.append(sample(trainer.average, 12, seed=5))
    np.testing.assert_array_equal(grids[0], grids[1])
    assert (grids[0] != grids[2]).any()
    assert (sample(trainer.average, 12, seed=6) != grids[2]).any()


def test_the_global_source_of_chance_is_left_alone(corners: Images) -> None:
    before = torch.random.get_rng_state()
    trainer_for(corners, **VARIANTS["wasserstein"]).train(2)
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_generator_learns_through_the_discriminator_and_leaves_it_alone(corners: Images) -> None:
    trainer = trainer_for(corners)
    before = {name: value.copy() for name, value in leaves(trainer.state()["networks"]).items()}
    set_rates(trainer.optimizers, trainer.settings.training, trainer.images)
    train_generator(trainer)
    after = leaves(trainer.state()["networks"])
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    parameters = {name for name, _ in trainer.generator.named_parameters()}
    assert {f"/generator/{name}" for name in parameters if "weight" in name} <= changed
    assert not any(name.startswith("/discriminator") for name in changed)
    assert all(p.requires_grad for p in trainer.discriminator.parameters())


@pytest.mark.parametrize("every", [1, 3])
def test_a_lazy_penalty_comes_every_few_updates(corners: Images, every: int) -> None:
    trainer = trainer_for(corners, loss__every=every)
    seen = ["penalty" in trainer.step() for _ in range(7)]
    assert seen == [index % every == 0 for index in range(7)]


@pytest.mark.parametrize("critic_steps", [1, 3])
def test_the_average_has_the_half_life_and_copies_buffers(corners: Images, critic_steps: int) -> None:
    """Weights average with keep = 2^(-images / half-life), ramped up; batch norm's statistics are copied."""
    trainer = trainer_for(corners, training__average_images=16, training__critic_steps=critic_steps)
    for _ in range(60):
        before = [p.clone() for p in trainer.average.parameters()]
        trainer.step()
        half_life = min(16, 0.05 * trainer.images)
        keep = 0.5 ** (8 * critic_steps / half_life)
        for mine, old, new in zip(trainer.average.parameters(), before, trainer.generator.parameters(), strict=True):
            torch.testing.assert_close(mine, keep * old + (1 - keep) * new.detach(), rtol=1e-5, atol=1e-6)
    buffers = dict(trainer.generator.named_buffers())
    assert any(name.endswith("running_var") for name in buffers)
    for name, mine in trainer.average.named_buffers():
        assert torch.equal(mine, buffers[name])
    assert half_life == 16


def test_without_an_average_the_generator_itself_is_judged(corners: Images) -> None:
    trainer = trainer_for(corners, training__average_images=0)
    trainer.train(2)
    for mine, theirs in zip(trainer.average.parameters(), trainer.generator.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_a_clone_keeps_the_rates_it_was_given(corners: Images) -> None:
    """Loading a donor's state keeps the clone's own learning rates, betas and penalty weight."""
    donor = trainer_for(corners, training__generator_rate=1e-3, training__discriminator_rate=2e-3)
    donor.train(2)
    values = {"training__generator_rate": 3e-5, "training__discriminator_rate": 4e-5, "training__beta1": 0.5}
    clone = trainer_for(corners, **values, loss__weight=9.0)
    clone.load_state(donor.state())
    clone.train(1)
    for name, rate in (("generator", 3e-5), ("discriminator", 4e-5)):
        (group,) = clone.optimizers[name].param_groups
        assert (group["lr"], group["betas"]) == (rate, (0.5, 0.99))
    assert clone.settings.loss.weight == 9.0
    moved = max(
        float((p.detach() - torch.from_numpy(donor.state()["networks"]["generator"][name])).abs().max())
        for name, p in clone.generator.named_parameters()
    )
    assert 0 < moved < 10 * 3e-5


def test_rates_fall_in_a_straight_line(corners: Images) -> None:
    trainer = trainer_for(corners, training__decay_from=0.5, training__images=80, training__generator_rate=1e-2)
    rates = []
    for _ in range(12):
        trainer.step()
        rates.append(trainer.optimizers["generator"].param_groups[0]["lr"])
    np.testing.assert_allclose(rates, [1e-2] * 6 + [8e-3, 6e-3, 4e-3, 2e-3, 0, 0], atol=1e-9)


@pytest.mark.parametrize("network", ["generator", "discriminator"])
def test_divergence_is_one_clear_line(corners: Images, network: str) -> None:
    trainer = trainer_for(corners)
    with torch.no_grad():
        next(getattr(trainer, network).parameters()).fill_(float("nan"))
    with pytest.raises(FloatingPointError, match=r"diverged within \d+ images: lower training"):
        trainer.train(2)


def test_a_state_of_other_networks_or_other_data_is_refused(corners: Images) -> None:
    state = trainer_for(corners).state()
    for other in ({"network__generator_width": 4}, {"network__latent": 9}):
        with pytest.raises(ValueError, match="settings the run was started with"):
            trainer_for(corners, **other).load_state(state)
    state["order"]["count"] = 999
    with pytest.raises(ValueError, match="use the same data"):
        trainer_for(corners).load_state(state)


def test_a_state_is_plain_and_a_copy(corners: Images) -> None:
    trainer = trainer_for(corners)
    trainer.train(1)
    state = trainer.state()
    kinds = {type(leaf) for leaf in leaves(state).values()}
    assert kinds <= {np.ndarray, int, str, float}
    assert json.dumps(state["order"]["rng"])
    frozen = copy.deepcopy(state)
    trainer.train(1)
    assert same(state, frozen)


def test_every_training_image_comes_once_a_round(corners: Images) -> None:
    trainer = trainer_for(corners)
    count = len(corners.train)
    seen = torch.cat([trainer.real_batch()[0] for _ in range(count // 8)])
    images = to_float(torch.from_numpy(corners.train.images))
    assert sorted(map(bytes, seen.numpy())) == sorted(map(bytes, images.numpy()))


def test_conditional_training_needs_classes(corners: Images) -> None:
    bare = type(corners.train)(corners.train.images, None)
    with pytest.raises(ValueError, match=r"corners has no classes: give labels, or use --network\.no-conditional"):
        Trainer(tiny(network__conditional=True), Images("corners", bare, bare, bare))

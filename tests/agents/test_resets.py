"""Network resets: kept and new weights, the target, the average, and batches drawn ahead."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from agents.dqn.resets import shrink_and_perturb
from agents.networks.q_network import NetworkSettings
from tests.small_learner import Feed, batch_of, make_learner


def pixel_batch() -> Any:
    """Return eight transitions of random pixels."""
    obs = torch.randint(256, (2, 8, 441, 4, 16), dtype=torch.uint8)
    return batch_of(8)._replace(obs=obs[0], next_obs=obs[1])


def test_what_sees_keeps_half_and_what_judges_begins_anew() -> None:
    """Convolutions and their norms move half-way to new weights, dense layers and their norm are new, moments are 0."""
    learner = make_learner(NetworkSettings(layer_norm=True, dueling=True))
    learner.update(pixel_batch())
    old = {name: value.clone() for name, value in learner.online.named_parameters()}
    fresh = learner.fresh_network(7)
    shrink_and_perturb(learner.online, fresh, learner.optimizer)
    new = dict(fresh.named_parameters())
    for name, value in learner.online.named_parameters():
        body = name.startswith("body.") and int(name.split(".")[1]) < 6
        wanted = (old[name] + new[name]) / 2 if body else new[name]
        torch.testing.assert_close(value, wanted, msg=name)
    moments = [value for state in learner.optimizer.state.values() for value in state.values()]
    assert moments
    assert all((value == 0).all() for value in moments)
    assert sum(isinstance(layer, nn.Conv2d) for layer in learner.online.modules()) == 2


def test_a_learner_resets_at_its_period_and_its_target_follows() -> None:
    """Every third update resets the network and copies it to the target; the new weights follow from the seed."""
    learners = [make_learner(reset_period=3, target_period=100, seed=seed) for seed in (1, 1, 2)]
    for learner in learners:
        for number in range(1, 4):
            before = [p.clone() for p in learner.online.parameters()]
            learner.update(batch_of(8, seed=number))
            moved = max(
                float((p - q).detach().abs().max()) for p, q in zip(learner.online.parameters(), before, strict=True)
            )
            assert (moved > 0.05) == (number == 3), "Adam's steps are small, a reset is not"
    for name, value in learners[0].weights().items():
        np.testing.assert_array_equal(value, learners[0].target.state_dict()[name].numpy())
        np.testing.assert_array_equal(value, learners[1].weights()[name])
    assert any(
        (a != b).any() for a, b in zip(learners[0].weights().values(), learners[2].weights().values(), strict=True)
    )


def test_the_average_begins_anew_with_a_reset() -> None:
    """After a reset the averaged policy equals the online network."""
    learner = make_learner(reset_period=3, target_period=100, average_rate=0.02)
    for number in range(1, 4):
        learner.update(batch_of(8, seed=number))
    for one, other in zip(learner.policy.parameters(), learner.online.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_the_batch_after_a_reset_is_judged_by_the_new_target() -> None:
    """Training with batches drawn ahead gives the same weights as single updates, across resets."""
    together, apart = (make_learner(reset_period=2, target_period=100) for _ in range(2))
    batches = [batch_of(8, seed=seed) for seed in range(5)]
    together.train(Feed(list(batches)), 5)  # type: ignore[arg-type]
    for batch in batches:
        apart.update(batch)
    for one, other in zip(together.weights().values(), apart.weights().values(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_period_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match=r"learner\.reset_period is -1: use 0"):
        make_learner(reset_period=-1)

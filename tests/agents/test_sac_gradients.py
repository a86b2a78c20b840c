"""Gradients of CrossQ's critics and actor are those of the paper's two losses and of nothing else.

Legend: B batch.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal

from agents.replay.transitions import Batch
from agents.sac.learner import SacLearner
from agents.sac.learner_settings import SacLearnerSettings
from agents.sac.presets import halfcheetah
from tests.agents.test_sac import SPEC, TINY, batch_of
from training.settings import changed

B, ALPHA, GAMMA = 8, 0.3, 0.9


def learner_and_batch(policy_delay: int, **values: Any) -> tuple[SacLearner, Batch]:
    """Return a learner whose temperature is not 1, and transitions, both the same at every call.

    `values` change the learner's settings.
    """
    own = {"gamma": GAMMA, "policy_delay": policy_delay, **values}
    settings = changed(halfcheetah(), {**TINY, **{f"learner.{name}": value for name, value in own.items()}})
    learner = SacLearner(settings.learner, settings.network, SPEC, seed=1)
    with torch.no_grad():
        learner.log_temperature.fill_(math.log(ALPHA))
        learner.critics[1].out.bias.add_(0.1)  # else this critic is the lower one everywhere
    return learner, batch_of(torch.Generator().manual_seed(0), B)


def drawn(mean: Tensor, log_std: Tensor, nth: int) -> tuple[Tensor, Tensor]:
    """Return torques by the learner's n-th noise and their log density, as in appendix C of Haarnoja et al."""
    generator = torch.Generator().manual_seed(1)
    noise = [torch.randn(B, 2, generator=generator) for _ in range(nth + 1)][nth]
    u = mean + log_std.exp() * noise
    return u.tanh(), (Normal(mean, log_std.exp()).log_prob(u) - (1 - u.tanh().square()).log()).sum(1)


def assert_gradients(network: nn.Module, loss: Tensor, found: nn.Module) -> None:
    """Assert that the gradients of `loss` with respect to `network` are those stored in `found`."""
    wanted = torch.autograd.grad(loss, list(network.parameters()))
    assert max(float(slope.abs().max()) for slope in wanted) > 0.01
    for slope, (name, parameter) in zip(wanted, found.named_parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, slope, rtol=1e-4, atol=1e-5, msg=lambda text, n=name: f"{n}: {text}")


def test_the_target_of_the_critics_is_a_constant() -> None:
    """No gradient passes through the target, although its values come from the same forward pass."""
    (learner, batch), (twin, _) = learner_and_batch(3), learner_and_batch(3)
    with torch.no_grad():
        action, log_prob = drawn(*twin.online(batch.next_obs), 0)
    obs, action = torch.cat([batch.obs, batch.next_obs]), torch.cat([batch.action, action])
    both = [critic(obs, action, learns=True) for critic in twin.critics]
    loss = torch.zeros(())
    for q in both:
        for b in range(B):
            soft = min(float(each[B + b].detach()) for each in both) - ALPHA * float(log_prob[b])
            reward = float(batch.reward[b, 0] + GAMMA * batch.reward[b, 1])
            loss = loss + 0.5 * (reward + float(batch.discount[b]) * soft - q[b]) ** 2 / B
    learner.update(batch)
    assert_gradients(twin.critics, loss, learner.critics)


def test_the_actor_climbs_the_lower_of_both_critics_and_its_entropy() -> None:
    """The actor's loss uses the critics' running statistics; its step changes neither these nor their weights."""
    (learner, batch), (twin, _) = learner_and_batch(1), learner_and_batch(3)
    learner.update(batch)
    twin.update(batch)  # changes its critics alone
    action, log_prob = drawn(*twin.online(batch.obs, learns=True), 1)
    q1, q2 = (critic(batch.obs, action) for critic in twin.critics)
    assert 0 < int((q1 < q2).sum()) < B, "each is the lower one somewhere"
    assert_gradients(twin.online, (ALPHA * log_prob - torch.where(q1 < q2, q1, q2)).mean(), learner.online)
    wanted = ALPHA * (-log_prob.detach().mean() + 2.0)  # two joints, each with a target of -1
    torch.testing.assert_close(learner.log_temperature.grad, wanted, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(learner.critics.state_dict(), twin.critics.state_dict(), rtol=0, atol=0)


def test_the_gradients_of_both_critics_are_cut_to_one_norm() -> None:
    (free, batch), (bound, _) = learner_and_batch(3), learner_and_batch(3, max_grad_norm=0.1)
    reported = [float(learner.update(batch).metrics["grad_norm"]) for learner in (free, bound)]
    whole, cut = (
        torch.cat([torch.as_tensor(p.grad).flatten() for p in learner.critics.parameters()])
        for learner in (free, bound)
    )
    norm = float(whole.norm())
    assert norm > 0.2
    assert reported == pytest.approx([norm, norm], rel=1e-4)
    torch.testing.assert_close(cut, 0.1 / norm * whole, rtol=1e-4, atol=1e-6)


def test_the_temperature_remembers_its_gradients_longer_than_actor_and_critics() -> None:
    """Adam's first beta is the setting (the paper's 0.5) for the networks and 0.9 for the temperature."""
    learner, _ = learner_and_batch(3, adam_beta1=0.7)
    networks, temperature = learner.optimizer.param_groups
    assert (networks["betas"], temperature["betas"]) == ((0.7, 0.999), (0.9, 0.999))
    assert SacLearnerSettings().adam_beta1 == 0.5
    assert len(networks["params"]) == len([*learner.critics.parameters(), *learner.online.parameters()])
    assert [parameter is learner.log_temperature for parameter in temperature["params"]] == [True]

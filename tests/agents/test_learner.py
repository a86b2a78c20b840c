"""One update against an oracle written step by step: C16, C19."""

from __future__ import annotations

import time
from itertools import count
from typing import Any

import numpy as np
import pytest
import torch

from agents.replay.transitions import Batch
from tests.small_learner import Feed, batch_of, flat, make_learner


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("loss", ["huber", "squared"])
@pytest.mark.parametrize("clip", [0.0, 1.0])
def test_one_update_equals_the_formulas(double: bool, loss: str, clip: float) -> None:
    """TD errors, loss and the first step of Adam (Kingma and Ba 2015, algorithm 1), transition by transition."""
    learner = make_learner(double=double, loss=loss, reward_clip=clip, max_grad_norm=0.5, target_period=1000)
    with torch.no_grad():  # a target that differs from the online network
        for p in learner.target.parameters():
            p += 0.1
    batch, before = batch_of(), flat(learner)
    q_next, q_online, q_t = learner.target(batch.next_obs), learner.online(batch.next_obs), learner.online(batch.obs)
    weight = (batch.priority / batch.priority.min()) ** -0.5
    errors, total = [], torch.zeros(())
    for b in range(8):
        rewards = [float(r) if clip == 0 else max(-clip, min(clip, float(r))) for r in batch.reward[b]]
        best = int((q_online if double else q_next)[b].argmax())
        target = rewards[0] + 0.9 * rewards[1] + float(batch.discount[b]) * float(q_next[b, best])
        error = target - q_t[b, batch.action[b]]
        errors.append(float(error.detach()))
        outside = loss == "huber" and abs(errors[-1]) > 1
        total = total + weight[b] * (error.abs() - 0.5 if outside else error**2 / 2) / 8
    grad = torch.cat([g.flatten() for g in torch.autograd.grad(total, list(learner.online.parameters()))])
    update, loss_value = learner.update(batch), float(total.detach())
    np.testing.assert_allclose(update.distributions["td_error"].numpy(), errors, rtol=1e-5, atol=1e-5)
    assert float(update.metrics["loss"]) == pytest.approx(loss_value, rel=1e-5)
    assert float(update.metrics["grad_norm"]) == pytest.approx(float(grad.norm()), rel=1e-4)
    taken = q_t.detach().gather(1, batch.action[:, None]).mean()
    assert float(update.distributions["q_of_actions_taken"].mean()) == pytest.approx(float(taken), rel=1e-3, abs=1e-5)
    clipped = grad * min(1.0, 0.5 / float(grad.norm()))
    step = learner.settings.learning_rate * clipped / (clipped.abs() + learner.settings.adam_epsilon)
    torch.testing.assert_close(flat(learner), before - step, rtol=1e-4, atol=2e-6)


def test_only_the_online_network_learns() -> None:
    learner = make_learner()
    target = [p.clone() for p in learner.target.parameters()]
    learner.update(batch_of())
    assert all(torch.equal(a, b) for a, b in zip(target, learner.target.parameters(), strict=True))
    assert not any(p.requires_grad or p.grad is not None for p in learner.target.parameters())


def test_c16_the_target_is_copied_on_the_clock_of_updates() -> None:
    """C16: the target is copied at every `target_period`-th update, for any batch size."""
    for size in (2, 32):
        learner, copied = make_learner(target_period=3), []
        for update in range(1, 11):
            learner.update(batch_of(size, update))
            pairs = zip(learner.online.parameters(), learner.target.parameters(), strict=True)
            copied += [update] if all(torch.equal(a, b) for a, b in pairs) else []
        assert copied == [3, 6, 9]


def test_a_soft_target_goes_a_part_of_the_way() -> None:
    """target <- (1 - tau) target + tau online at every update (Lillicrap et al. 2016); a reset copies it whole."""
    learner = make_learner(target_period=1, target_rate=0.25, reset_period=4)
    wanted = [p.clone() for p in learner.target.parameters()]
    for update in range(1, 6):
        learner.update(batch_of(8, update))
        share = 1.0 if update == 4 else 0.25
        newest = [p.detach() for p in learner.online.parameters()]
        wanted = [(1 - share) * w + share * p for w, p in zip(wanted, newest, strict=True)]
        for got, want in zip(learner.target.parameters(), wanted, strict=True):
            torch.testing.assert_close(got, want)


def test_train_reports_the_last_batch_and_returns_td_errors_as_priorities() -> None:
    learner, twin = make_learner(batch_size=8), make_learner(batch_size=8)
    batches = [batch_of(8, seed, prioritized=True) for seed in range(3)]
    feed = Feed(batches)
    learned = learner.train(feed, 3)
    errors = [twin.update(batch).distributions["td_error"].abs().numpy() for batch in batches]
    assert (learner.updates, learned.updates, feed.sizes) == (3, 3, [8, 8, 8])
    for (key, priority), error in zip(feed.updates, errors, strict=True):
        np.testing.assert_array_equal(key, np.arange(8))
        np.testing.assert_array_equal(priority, error)
    assert learned.scalars["td_error"] == pytest.approx(float(errors[-1].mean()))
    assert learned.version is not None
    assert learned.version.tolist() == [7] * 8


def test_replay_is_asked_and_told_in_the_order_of_one_thread() -> None:
    """Draws and priority updates alternate, one batch behind, even if the updates are slow."""

    class Noted(Feed):
        def sample(self, batch_size: int) -> Batch:
            order.append("draw")
            return super().sample(batch_size)

        def update_priorities(self, key: Any, priority: Any) -> None:
            time.sleep(0.01)  # by now the learner is ahead
            order.append("tell")

    order: list[str] = []
    learner = make_learner(batch_size=8, target_period=3)
    learner.train(Noted([batch_of(8, seed, prioritized=True) for seed in range(5)]), 5)
    assert order == ["draw", "draw", *["tell", "draw"] * 3, "tell", "tell"]


def test_no_updates_leave_nothing_behind() -> None:
    learner = make_learner()
    before = flat(learner)
    learned = learner.train(Feed([]), 0)
    assert (learned.updates, learned.scalars, learned.version) == (0, {}, None)
    assert torch.equal(flat(learner), before)


def test_a_uniform_replay_is_not_told_of_errors() -> None:
    feed = Feed([batch_of()])
    make_learner().train(feed, 1)
    assert feed.updates == []


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
@pytest.mark.parametrize("place", [0, 2])
@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_c19_a_loss_that_is_no_number_ends_training(broken: float, place: int, precision: str) -> None:
    """C19: a loss that is not finite, in the first or the last of three updates, ends training with the remedy."""
    batches = [batch_of(8, seed) for seed in range(3)]
    batches[place].reward[4, 0] = broken
    remedy = r"lower learner\.learning_rate" + (r", or use learner\.precision fp32$" if precision == "bf16" else "$")
    with pytest.raises(FloatingPointError, match=remedy):
        make_learner(reward_clip=0.0, precision=precision).train(Feed(batches), 3)


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_c19_an_error_that_is_no_number_never_becomes_a_priority(broken: float) -> None:
    """C19: if the second of three batches gives a non-finite error, replay gets only the first one's priorities."""
    batches = [batch_of(8, seed, prioritized=True) for seed in range(3)]
    batches[1].reward[4, 0] = broken
    feed = Feed(batches)
    with pytest.raises(
        FloatingPointError, match=r"priority of a transition became (nan|inf): lower learner\.learning_rate$"
    ):
        make_learner(reward_clip=0.0).train(feed, 3)
    assert len(feed.updates) == 1
    assert np.isfinite(feed.updates[0][1]).all()


def test_gradients_are_reduced_among_learners_before_they_are_clipped() -> None:
    """Gradients that the reduction sets to 0 have a norm of 0 and change no weight."""
    learner, seen = make_learner(max_grad_norm=1e-3), list[int]()
    learner.reduce_gradients = lambda grads: seen.extend(g.mul_(0).numel() for g in grads)
    before = flat(learner)
    update = learner.update(batch_of())
    assert sum(seen) == len(before)
    assert float(update.metrics["grad_norm"]) == 0.0
    assert torch.equal(flat(learner), before)


def test_beta_is_asked_for_at_every_update() -> None:
    learner, asked = make_learner(), list[int]()
    learner.beta = lambda updates: float(asked.append(updates) or 1.0)  # type: ignore[func-returns-value]
    for _, seed in zip(range(3), count(), strict=False):
        learner.update(batch_of(8, seed))
    assert asked == [0, 1, 2]

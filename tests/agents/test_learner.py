"""The one update against an oracle written step by step: C16, C19, C20."""

from __future__ import annotations

from itertools import count
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from agents.learner import Learner, LearnerSettings
from agents.networks import NetworkSettings
from agents.rollout import Actor
from agents.transitions import Batch

A, SHAPE, STACK, N = 3, (4,), 2, 2


def make(network: NetworkSettings | None = None, *, seed: int = 0, **options: Any) -> Learner:
    """A small learner in float32 on the CPU."""
    settings = LearnerSettings(**{"precision": "fp32", "device": "cpu", "gamma": 0.9, **options})
    network = network or NetworkSettings(kind="mlp", stack=STACK, hidden=16)
    pixels = network.kind != "mlp"
    return Learner(settings, network, (84, 84) if pixels else SHAPE, A, seed=seed, beta=lambda _: 0.5)


def batch_of(size: int = 8, seed: int = 0, **fields: Any) -> Batch:
    """Random transitions; some terminated."""
    rng = np.random.default_rng(seed)

    def floats(*shape: int) -> Tensor:
        return torch.from_numpy(rng.normal(0, 2, shape).astype(np.float32))

    discount = torch.from_numpy(rng.choice([0.0, 0.9, 0.81], size).astype(np.float32))
    batch = Batch(
        obs=floats(size, 1, STACK, *SHAPE),
        action=torch.from_numpy(rng.integers(A, size=size)),
        reward=floats(size, N),
        discount=discount,
        next_obs=floats(size, 1, STACK, *SHAPE),
        priority=torch.from_numpy(rng.uniform(0.1, 3, size).astype(np.float32)),
        key=np.arange(size),
        version=np.full(size, 7, np.int32),
    )
    return batch._replace(**fields)


class Feed:
    """A replay that hands out given batches and remembers the priorities it gets."""

    def __init__(self, batches: list[Batch]) -> None:
        self.batches, self.sizes, self.updates = iter(batches), list[int](), list[tuple[Any, Any]]()

    def sample(self, batch_size: int) -> Batch:
        self.sizes.append(batch_size)
        return next(self.batches)

    def update_priorities(self, key: Any, priority: Any) -> None:
        self.updates.append((key, priority))


def flat(learner: Learner) -> Tensor:
    """All online parameters."""
    return torch.cat([p.detach().flatten() for p in learner.online.parameters()])


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("loss", ["huber", "squared"])
@pytest.mark.parametrize("clip", [0.0, 1.0])
def test_one_update_equals_the_formulas(double: bool, loss: str, clip: float) -> None:
    """TD error, loss and the first step of Adam (Kingma and Ba 2015, algorithm 1), transition by transition."""
    learner = make(double=double, loss=loss, reward_clip=clip, max_grad_norm=0.5, target_period=1000)
    with torch.no_grad():  # a target of its own
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
        outside = loss == "huber" and abs(float(error)) > 1
        total = total + weight[b] * (error.abs() - 0.5 if outside else error**2 / 2) / 8
    grad = torch.cat([g.flatten() for g in torch.autograd.grad(total, list(learner.online.parameters()))])
    update = learner.update(batch)
    np.testing.assert_allclose(update.td_error.numpy(), errors, rtol=1e-5, atol=1e-5)
    assert float(update.loss) == pytest.approx(float(total), rel=1e-5)
    assert float(update.grad_norm) == pytest.approx(float(grad.norm()), rel=1e-4)
    taken = q_t.detach().gather(1, batch.action[:, None]).mean()
    assert float(update.q_mean) == pytest.approx(float(taken), rel=1e-3, abs=1e-5)
    clipped = grad * min(1.0, 0.5 / float(grad.norm()))
    step = learner.settings.learning_rate * clipped / (clipped.abs() + learner.settings.adam_epsilon)
    torch.testing.assert_close(flat(learner), before - step, rtol=1e-4, atol=2e-6)


def test_only_the_online_network_learns() -> None:
    learner = make()
    target = [p.clone() for p in learner.target.parameters()]
    learner.update(batch_of())
    assert all(torch.equal(a, b) for a, b in zip(target, learner.target.parameters(), strict=True))
    assert not any(p.requires_grad or p.grad is not None for p in learner.target.parameters())


def test_c16_the_target_is_copied_on_the_clock_of_updates() -> None:
    """C16: at every `target_period`-th update, whatever the batch size."""
    for size in (2, 32):
        learner, copied = make(target_period=3), []
        for update in range(1, 11):
            learner.update(batch_of(size, update))
            pairs = zip(learner.online.parameters(), learner.target.parameters(), strict=True)
            copied += [update] if all(torch.equal(a, b) for a, b in pairs) else []
        assert copied == [3, 6, 9]


def test_train_reports_the_last_batch_and_returns_td_errors_as_priorities() -> None:
    learner, twin = make(batch_size=8), make(batch_size=8)
    batches = [batch_of(8, seed, prioritized=True) for seed in range(3)]
    feed = Feed(batches)
    learned = learner.train(feed, 3)
    errors = [twin.update(batch).td_error.abs().numpy() for batch in batches]
    assert (learner.updates, learned.updates, feed.sizes) == (3, 3, [8, 8, 8])
    for (key, priority), error in zip(feed.updates, errors, strict=True):
        np.testing.assert_array_equal(key, np.arange(8))
        np.testing.assert_array_equal(priority, error)
    assert learned.scalars["td_error"] == pytest.approx(float(errors[-1].mean()))
    assert learned.version is not None
    assert learned.version.tolist() == [7] * 8


def test_no_updates_leave_nothing_behind() -> None:
    learner = make()
    before = flat(learner)
    learned = learner.train(Feed([]), 0)
    assert (learned.updates, learned.scalars, learned.version) == (0, {}, None)
    assert torch.equal(flat(learner), before)


def test_a_uniform_replay_is_not_told_of_errors() -> None:
    feed = Feed([batch_of()])
    make().train(feed, 1)
    assert feed.updates == []


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
@pytest.mark.parametrize("place", [0, 2])
def test_c19_a_loss_that_is_no_number_ends_training(broken: float, place: int) -> None:
    """C19: whichever of several updates it comes from; nothing poisoned is handed on to actors."""
    batches = [batch_of(8, seed) for seed in range(3)]
    batches[place].reward[4, 0] = broken
    with pytest.raises(FloatingPointError, match=r"lower learner\.learning_rate, or use learner\.precision fp32"):
        make(reward_clip=0.0).train(Feed(batches), 3)


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-3), ("bf16", 2e-2)])
def test_c20_actors_and_learner_agree(precision: Any, tolerance: float) -> None:
    """C20: shipped weights give an actor the learner's values, in batches of another size, and its actions."""
    settings = NetworkSettings(kind="dqn2013", layer_norm=True)
    learner, other = (make(settings, seed=seed, precision=precision) for seed in (0, 1))
    other.online.load_state_dict(learner.weights())
    obs = np.random.default_rng(0).integers(256, size=(512, 441, 4, 16), dtype=np.uint8)
    actor = Actor(other.online, autocast=precision == "bf16")
    acted = np.concatenate([actor.values(part) for part in np.split(obs, 32)])
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        learned = learner.online(torch.from_numpy(obs)).numpy()
    with torch.no_grad():
        exact = learner.online(torch.from_numpy(obs)).numpy()
    assert acted.dtype == np.float32
    np.testing.assert_allclose(acted, learned, atol=tolerance)
    np.testing.assert_allclose(acted, exact, atol=tolerance)
    assert (acted.argmax(1) == learned.argmax(1)).mean() >= 0.999


def test_shipped_weights_are_a_copy() -> None:
    learner = make()
    shipped = learner.weights()
    before = {name: value.clone() for name, value in shipped.items()}
    learner.update(batch_of())
    assert all(torch.equal(before[name], value) for name, value in shipped.items())
    assert set(shipped) == set(learner.online.state_dict())


def test_initial_weights_follow_from_the_seed_alone() -> None:
    torch.manual_seed(123)
    state = torch.random.get_rng_state()
    one = make(seed=5)
    assert torch.equal(torch.random.get_rng_state(), state), "the global generator was touched"
    torch.rand(3)
    assert torch.equal(flat(one), flat(make(seed=5)))
    assert not torch.equal(flat(one), flat(make(seed=6)))
    assert all(torch.equal(a, b) for a, b in zip(one.online.parameters(), one.target.parameters(), strict=True))


def test_c26_a_restored_learner_goes_on_bit_for_bit() -> None:
    """C26: both networks, both moments and step counts of Adam, the clock of updates, beta."""
    learner, fresh = make(target_period=4), make(target_period=4, seed=9)
    for seed in range(5):
        learner.update(batch_of(8, seed))
    fresh.load_state(learner.state())
    for seed in range(5, 10):
        one, other = learner.update(batch_of(8, seed)), fresh.update(batch_of(8, seed))
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert torch.equal(flat(learner), flat(fresh))
    assert learner.updates == fresh.updates == 10


def test_a_state_of_another_network_is_refused() -> None:
    with pytest.raises(ValueError, match="another shape: use the settings the run was started with"):
        make(NetworkSettings(kind="mlp", stack=STACK, hidden=8)).load_state(make().state())


def test_gradients_are_reduced_among_learners_before_they_are_clipped() -> None:
    """Two learners that halve the sum of their gradients make the step of the mean gradient."""
    learner, seen = make(max_grad_norm=1e-3), list[int]()
    learner.reduce_gradients = lambda grads: seen.extend(g.mul_(0).numel() for g in grads)
    before = flat(learner)
    update = learner.update(batch_of())
    assert sum(seen) == len(before)
    assert float(update.grad_norm) == 0.0
    assert torch.equal(flat(learner), before)


def test_beta_is_asked_for_at_every_update() -> None:
    learner, asked = make(), list[int]()
    learner.beta = lambda updates: float(asked.append(updates) or 1.0)  # type: ignore[func-returns-value]
    for _, seed in zip(range(3), count(), strict=False):
        learner.update(batch_of(8, seed))
    assert asked == [0, 1, 2]


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert LearnerSettings().resolve_device() == "cpu"
    with pytest.raises(ValueError, match=r"cuda:0 is not on this machine: use cpu or auto"):
        LearnerSettings(device="cuda:0").resolve_device()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert LearnerSettings().resolve_device() == "cuda"
    assert LearnerSettings(device="cpu").resolve_device() == "cpu"

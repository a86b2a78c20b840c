"""Inputs and outputs of a learner: weights for actors (C20), its state (C26), its device."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from agents.acting.policy import QPolicy
from agents.dqn.learner import AVERAGE_PERIOD, LearnerSettings
from agents.networks.q_network import NetworkSettings, QNetwork
from tests.small_learner import STACK, batch_of, flat, make_learner
from training.device import resolve_device


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-3), ("bf16", 2e-2)])
def test_c20_actors_and_learner_agree(precision: Any, tolerance: float) -> None:
    """C20: with shipped weights an actor has the learner's values, in batches of another size, and its actions."""
    settings = NetworkSettings(kind="dqn2013", layer_norm=True)
    learner, other = (make_learner(settings, seed=seed, precision=precision) for seed in (0, 1))
    other.online.load_state_dict({name: torch.from_numpy(value) for name, value in learner.weights().items()})
    obs = np.random.default_rng(0).integers(256, size=(512, 441, 4, 16), dtype=np.uint8)
    actor = QPolicy(other.online, precision=precision)
    acted = np.concatenate([actor.values(part) for part in np.split(obs, 32)])
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        learned = learner.online(torch.from_numpy(obs)).numpy()
    with torch.no_grad():
        exact = learner.online(torch.from_numpy(obs)).numpy()
    assert acted.dtype == np.float32
    np.testing.assert_allclose(acted, learned, atol=tolerance)
    np.testing.assert_allclose(acted, exact, atol=tolerance)
    assert (acted.argmax(1) == learned.argmax(1)).mean() >= 0.999


@pytest.mark.parametrize("broken", ["missing", "extra", "shape"])
def test_c19_a_part_of_the_weights_changes_nothing(broken: str) -> None:
    """C19: an actor loads every parameter or none, if one is missing, unknown or of another shape."""
    learner, other = make_learner(seed=0), make_learner(seed=1)
    actor, before = QPolicy(other.online, precision="fp32"), flat(other)
    weights = learner.weights()
    last = list(weights)[-1]
    parts = {
        "missing": {name: value for name, value in weights.items() if name != last},
        "extra": {**weights, "more": weights[last]},
        "shape": {**weights, last: weights[last][..., :1]},
    }
    with pytest.raises(ValueError, match="not all parameters of the acting network: send every one"):
        actor.load(parts[broken])
    assert torch.equal(flat(other), before)
    actor.load(weights)
    assert torch.equal(flat(other), flat(learner))


def test_shipped_weights_are_a_copy() -> None:
    learner = make_learner()
    shipped = learner.weights()
    before = {name: value.copy() for name, value in shipped.items()}
    learner.update(batch_of())
    assert all(np.array_equal(before[name], value) for name, value in shipped.items())
    assert set(shipped) == set(learner.online.state_dict())


def test_initial_weights_follow_from_the_seed_alone() -> None:
    torch.manual_seed(123)
    state = torch.random.get_rng_state()
    one = make_learner(seed=5)
    assert torch.equal(torch.random.get_rng_state(), state), "the global generator was touched"
    torch.rand(3)
    assert torch.equal(flat(one), flat(make_learner(seed=5)))
    assert not torch.equal(flat(one), flat(make_learner(seed=6)))
    assert all(torch.equal(a, b) for a, b in zip(one.online.parameters(), one.target.parameters(), strict=True))


def parameters(network: QNetwork) -> list[torch.Tensor]:
    """Return copies of all parameters."""
    return [p.detach().clone() for p in network.parameters()]


def test_the_judged_policy_is_a_moving_average_of_the_weights() -> None:
    """Every `AVERAGE_PERIOD` updates it moves by its rate towards the online network, whose updates stay the same."""
    learner, plain = make_learner(average_rate=0.25), make_learner()
    wanted = parameters(learner.policy)
    for update in range(1, 2 * AVERAGE_PERIOD + 1):
        learner.update(batch_of(8, update))
        plain.update(batch_of(8, update))
        if update % AVERAGE_PERIOD == 0:
            wanted = [0.75 * w + 0.25 * p for w, p in zip(wanted, parameters(learner.online), strict=True)]
    for got, want in zip(learner.policy.parameters(), wanted, strict=True):
        torch.testing.assert_close(got, want)
    assert torch.equal(flat(learner), flat(plain)), "the average changed what is learnt"
    assert plain.policy is plain.online
    fresh = make_learner(average_rate=0.25, seed=9)
    fresh.load_state(learner.state())
    assert all(map(torch.equal, parameters(fresh.policy), parameters(learner.policy)))


def test_c26_a_restored_learner_goes_on_bit_for_bit() -> None:
    """C26: five updates after a restore give the same metrics, errors and weights, at the same count of updates."""
    learner, fresh = make_learner(target_period=4), make_learner(target_period=4, seed=9)
    for seed in range(5):
        learner.update(batch_of(8, seed))
    fresh.load_state(learner.state())
    for seed in range(5, 10):
        one, other = learner.update(batch_of(8, seed)), fresh.update(batch_of(8, seed))
        for left, right in zip(one[1:], other[1:], strict=True):
            assert left.keys() == right.keys()
            assert all(torch.equal(left[name], right[name]) for name in left)
    assert torch.equal(flat(learner), flat(fresh))
    assert learner.updates == fresh.updates == 10


def test_a_state_of_another_network_is_refused() -> None:
    with pytest.raises(ValueError, match="differ: use the settings the run was started with"):
        make_learner(NetworkSettings(kind="mlp", stack=STACK, hidden=8)).load_state(make_learner().state())


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device(LearnerSettings().device, "learner.device") == "cpu"
    with pytest.raises(ValueError, match=r"cuda:0 is not on this machine: use cpu or auto"):
        resolve_device(LearnerSettings(device="cuda:0").device, "learner.device")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device(LearnerSettings().device, "learner.device") == "cuda"
    assert resolve_device(LearnerSettings(device="cpu").device, "learner.device") == "cpu"

"""DecQN against brute force over all actions, and learning of known best actions."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from agents.acting.exploration import epsilon_greedy
from agents.decoupled.head import BangOffBang, value_of
from agents.decoupled.parts import make_network
from agents.decoupled.policy import BangOffBangPolicy
from agents.decoupled.presets import halfcheetah_decoupled
from agents.decoupled.settings import DecoupledSettings
from agents.dqn.serial import SerialLoop
from agents.networks.losses import greedy
from agents.networks.q_network import NetworkSettings
from tests.agents.test_sac import SPEC
from tests.aim_env import AIM
from tests.trees import assert_same
from training.settings import changed

HEAD = BangOffBang(NetworkSettings(kind="mlp"))


def tiny(env: str) -> DecoupledSettings:
    """Return settings for a run of seconds."""
    values = {"network.hidden": 32, "replay.capacity": 4_000, "replay.learning_starts": 100, "learner.batch_size": 32}
    values["replay.samples_per_insert"] = 8.0
    short = {"env.id": env, "learner.device": "cpu", "learner.target_period": 20, "learner.learning_rate": 2e-3}
    return changed(halfcheetah_decoupled(), {**values, **short, "exploration.anneal_steps": 500})


@given(joints=st.integers(1, 5), seed=st.integers(0, 1_000))
def test_the_best_action_is_that_of_all_combinations(joints: int, seed: int) -> None:
    """The greedy action and the target equal the best of 3^J actions, each valued as the mean of its bins' values."""
    out = torch.from_numpy(np.random.default_rng(seed).normal(size=(1, joints, 3)))
    values = {
        bins: sum(float(out[0, j, z]) for j, z in enumerate(bins)) / joints for bins in product(range(3), repeat=joints)
    }
    best = max(values, key=lambda bins: values[bins])
    assert tuple(out.argmax(2)[0].tolist()) == best
    assert float(value_of(out, torch.tensor([best]))) == pytest.approx(values[best])
    target = HEAD.target(torch.tensor([1.0]).double(), torch.tensor([0.5]).double(), out, greedy(out).double())
    assert float(target) == pytest.approx(1.0 + 0.5 * max(values.values()))


def test_the_loss_is_of_the_whole_actions_value() -> None:
    """Every joint's taken bin gets the same share of the error; no other bin gets a gradient."""
    out = torch.arange(12.0).view(2, 2, 3).requires_grad_()
    torques = torch.tensor([[-1.0, 0.0], [1.0, 1.0]])
    found = HEAD.loss(out, torques, torch.tensor([3.0, 9.0]), "squared")
    taken = [(0 + 4) / 2, (8 + 11) / 2]
    assert found.distributions["q_of_actions_taken"].tolist() == taken
    assert found.loss.tolist() == [0.5 * (3.0 - taken[0]) ** 2, 0.5 * (9.0 - taken[1]) ** 2]
    assert found.priority.tolist() == [1.0, 0.5]
    found.loss.sum().backward()  # type: ignore[no-untyped-call]
    assert out.grad is not None
    assert out.grad.tolist() == [[[-0.5, 0.0, 0.0], [0.0, -0.5, 0.0]], [[0.0, 0.0, 0.25], [0.0, 0.0, 0.25]]]


def test_it_acts_by_its_best_bins_and_explores_joint_by_joint() -> None:
    network = make_network(tiny(AIM), SPEC)
    policy, rng = BangOffBangPolicy(network, precision="fp32"), np.random.default_rng(0)
    frame, first = rng.normal(size=(300, 1, 3)).astype(np.float32), np.ones(300, np.bool_)
    acted = policy.act(frame, first, policy.start(300), None)
    q = policy.values(frame[:, None])
    assert (acted.action == q.argmax(2) - 1).all()
    np.testing.assert_allclose(acted.values[:, 0], q.max(2).mean(1), rtol=1e-6)
    random = policy.act(frame, first, policy.start(300), epsilon_greedy(np.ones(300), rng)).action
    assert random.dtype == np.float32
    assert {tuple(row) for row in random.tolist()} == set(product((-1.0, 0.0, 1.0), repeat=2))
    half = policy.act(frame, first, policy.start(300), epsilon_greedy(np.full(300, 0.5), rng)).action
    apart = (half[:, 0] != acted.action[:, 0]) != (half[:, 1] != acted.action[:, 1])
    assert 60 < apart.sum() < 190, "one joint follows chance while the other does not"


def test_it_learns_to_aim() -> None:
    """The learned action is the one of -1, 0 and 1 nearest to the point, for each coordinate on its own."""
    settings = changed(tiny(AIM), {"learner.gamma": 0.5, "replay.n_step": 1, "replay.samples_per_insert": 16.0})
    run = SerialLoop(settings)
    while run.learner.updates < 500:
        run.step()
    points = np.random.default_rng(7).uniform(-0.7, 0.7, (300, 2)).astype(np.float32)
    points = points[(np.abs(np.abs(points) - 0.5) > 0.12).all(1)]  # where the nearest one is clear
    policy = run.policy()
    acted = policy.act(points[:, None], np.ones(len(points), np.bool_), policy.start(len(points)), None)
    run.close()
    assert (acted.action == np.round(points)).mean() > 0.95


def test_c26_a_restored_run_goes_on_bit_for_bit(tmp_path: Path) -> None:
    settings = tiny("Pendulum-v1")

    def play(run: SerialLoop, turns: int) -> SerialLoop:
        for _ in range(turns):
            run.step()
        return run

    run = play(SerialLoop(settings), 8)
    path, updates = run.save(tmp_path), run.learner.updates
    other = play(SerialLoop(settings), 5)
    other.load(path)
    play(run, 6)
    play(other, 6)
    assert 0 < updates < run.learner.updates
    assert_same({**other.state(), "replay": other.replay.state()}, {**run.state(), "replay": run.replay.state()})
    run.close()
    other.close()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"network.head": "scalar"}, r"network\.head is 'scalar': torques have"),
        ({"network.dueling": True}, r"without network\.dueling"),
        ({"learner.munchausen": 0.9, "learner.double": False}, r"learner\.munchausen and conservative are"),
        ({"learner.conservative": 1.0}, r"learner\.munchausen and conservative are for numbered actions"),
        ({"replay.prioritized": True, "replay.initial_priority": "actor"}, "is for numbered actions: use max"),
        ({"network.noisy": True}, r"network\.noisy is for numbered actions"),
    ],
)
def test_what_this_head_has_not_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        changed(halfcheetah_decoupled(), values)

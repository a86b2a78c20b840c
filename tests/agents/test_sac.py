"""CrossQ: its update against slow code, its policy, learning, resuming and settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box

from agents.acting.exploration import epsilon_greedy
from agents.dqn.serial import SerialLoop
from agents.replay.frames import FrameStack
from agents.replay.transitions import Batch
from agents.sac.gaussian import sample_tanh_gaussian
from agents.sac.learner import SacLearner
from agents.sac.networks import Actor, BatchRenorm, SacNetworkSettings
from agents.sac.policy import SacPolicy, normal
from agents.sac.presets import PRESETS, halfcheetah
from agents.sac.settings import SacSettings
from envs.base import EnvSpec
from tests.aim_env import AIM
from tests.trees import assert_same
from training.settings import changed, from_dict, to_dict

SPEC = EnvSpec((3,), np.dtype(np.float32), Box(-1.0, 1.0, (2,), np.float32))
TINY: dict[str, Any] = {
    "network.actor_units": 32,
    "network.critic_units": 32,
    "replay.capacity": 4_000,
    "replay.learning_starts": 100,
    "learner.batch_size": 32,
    "learner.device": "cpu",
}


def tiny(env: str, **values: Any) -> SacSettings:
    """Return settings of a run of seconds; `section__name=value` changes section.name."""
    own = {name.replace("__", "."): value for name, value in values.items()}
    return changed(halfcheetah(), {**TINY, "env.id": env, **own})


def batch_of(generator: torch.Generator, size: int = 8) -> Batch:
    """Return random transitions of two steps, the first of which terminates."""
    obs, following = (torch.randn(size, 1, 1, 3, generator=generator) for _ in range(2))
    action, reward = torch.rand(size, 2, generator=generator) * 2 - 1, torch.randn(size, 2, generator=generator)
    discount = torch.full((size,), 0.9**2)
    discount[0] = 0.0
    key = np.zeros(size, np.int64)
    return Batch(obs, action, reward, discount, following, torch.ones(size), key, key.astype(np.int32))


def test_the_update_is_the_papers() -> None:
    """The reported loss equals slow code with both states in one batch and no target network."""
    settings = changed(halfcheetah(), {**TINY, "learner.gamma": 0.9})
    learner = SacLearner(settings.learner, settings.network, SPEC, seed=1)
    twin = SacLearner(settings.learner, settings.network, SPEC, seed=1)
    batch = batch_of(torch.Generator().manual_seed(0))
    noise = torch.randn(8, 2, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        drawn = sample_tanh_gaussian(*twin.online(batch.next_obs), noise)
        obs, action = torch.cat([batch.obs, batch.next_obs]), torch.cat([batch.action, drawn.action])
        both = [critic(obs, action, learns=True) for critic in twin.critics]
    q_now, q_next, loss = [q[:8] for q in both], [q[8:] for q in both], 0.0
    for q in q_now:
        for b in range(8):
            reward = float(batch.reward[b, 0] + 0.9 * batch.reward[b, 1])
            soft = min(float(q_next[0][b]), float(q_next[1][b])) - 1.0 * float(drawn.log_prob[b])
            loss += 0.5 * (reward + float(batch.discount[b]) * soft - float(q[b])) ** 2 / 8
    found = learner.update(batch).metrics
    assert float(found["loss"]) == pytest.approx(loss, rel=1e-4)
    assert float(found["temperature"]) == 1.0


def test_the_actor_moves_every_third_update_and_the_critics_at_each() -> None:
    settings = changed(halfcheetah(), {**TINY, "learner.renorm_updates": 2})
    learner = SacLearner(settings.learner, settings.network, SPEC, seed=1)
    generator = torch.Generator().manual_seed(0)
    moves = []
    for _ in range(4):
        actor, critic = learner.online.out.weight.clone(), learner.critics[0].out.weight.clone()
        temperature = learner.log_temperature.clone()
        learner.update(batch_of(generator))
        moved = [not torch.equal(*pair) for pair in ((actor, learner.online.out.weight),)]
        moved += [not torch.equal(critic, learner.critics[0].out.weight)]
        moves.append([*moved, not torch.equal(temperature, learner.log_temperature)])
    assert moves == [[False, True, False], [False, True, False], [True, True, True], [False, True, False]]
    norms = [m for m in (*learner.online.modules(), *learner.critics.modules()) if isinstance(m, BatchRenorm)]
    assert len(norms) == 9
    assert all(norm.renorm_enabled for norm in norms)


def test_chance_draws_standard_normals_and_their_absence_the_mean() -> None:
    rng = np.random.default_rng(0)
    drawn = normal(epsilon_greedy(np.ones(4_000), rng), 2)
    assert drawn.shape == (4_000, 2)
    assert np.abs(drawn.mean(0)).max() < 0.05
    np.testing.assert_allclose(np.cov(drawn.T), np.eye(2), atol=0.06)
    assert (normal(epsilon_greedy(np.zeros(4), rng), 3) == 0).all()
    actor = Actor(SacNetworkSettings(actor_units=8), (3,), 2)
    policy, frame = SacPolicy(actor, precision="fp32"), np.random.default_rng(1).normal(size=(4, 1, 3))
    acted = policy.act(frame.astype(np.float32), np.ones(4, np.bool_), FrameStack(1), None)
    with torch.no_grad():
        mean, _ = actor(torch.from_numpy(frame.astype(np.float32))[:, None])
    np.testing.assert_allclose(acted.action, torch.tanh(mean).numpy(), atol=1e-6)
    assert (acted.action.shape, acted.values.shape) == ((4, 2), (4, 0))


def test_it_learns_to_aim() -> None:
    """The best action is the observed point; after 500 updates the root mean square error is below 0.15."""
    quick = {"learner__policy_delay": 1, "learner__learning_rate": 4e-3, "replay__samples_per_insert": 16.0}
    run = SerialLoop(tiny(AIM, learner__target_entropy=-3.0, learner__gamma=0.0, **quick))
    while run.learner.updates < 500:
        run.step()
    points = np.random.default_rng(7).uniform(-0.6, 0.6, (64, 2)).astype(np.float32)
    policy = run.policy()
    acted = policy.act(points[:, None], np.ones(64, np.bool_), policy.start(64), None)
    run.close()
    assert np.sqrt(np.square(acted.action - points).mean()) < 0.15


def test_c26_a_restored_run_goes_on_bit_for_bit(tmp_path: Path) -> None:
    """C26: a restored run's whole state stays equal while both continue; other noise makes the learners differ."""
    settings = tiny("Pendulum-v1", replay__samples_per_insert=8.0, learner__renorm_updates=30)

    def play(run: SerialLoop, turns: int) -> SerialLoop:
        for _ in range(turns):
            run.step()
        return run

    run = play(SerialLoop(settings), 12)
    path, updates = run.save(tmp_path), run.learner.updates
    other = play(SerialLoop(settings), 9)  # a run with steps of its own, which loading must replace
    other.load(path)
    play(run, 8)
    play(other, 8)
    assert 0 < updates < 30 < run.learner.updates, "both halves learn, and renorm begins in the second"
    assert_same({**other.state(), "replay": other.replay.state()}, {**run.state(), "replay": run.replay.state()})
    assert other.replay.action.shape[1:] == (1,)
    other.learner.noise.manual_seed(5)
    play(run, 1)
    play(other, 1)
    with pytest.raises(AssertionError):
        assert_same(other.learner.state(), run.learner.state())
    run.close()
    other.close()


def test_a_run_goes_on_where_the_device_is_of_another_kind() -> None:
    """A checkpoint with a GPU's noise state of 16 bytes loads on a CPU, with new noise that is always the same."""
    learner, other, third = (
        SacLearner(tiny("Pendulum-v1").learner, SacNetworkSettings(), SPEC, seed=3) for _ in range(3)
    )
    generator = torch.Generator().manual_seed(1)
    for _ in range(2):
        learner.update(batch_of(generator))
    state = learner.state() | {"noise": np.zeros(16, np.uint8)}
    other.load_state(state)
    assert not torch.equal(other.noise.get_state(), third.noise.get_state()), "the first noise is not drawn again"
    third.load_state(state)
    assert_same(other.state(), third.state())
    assert other.updates == 2


@pytest.mark.parametrize(("wait", "updates"), [(0, 0), (0, 2), (3, 0), (3, 2), (3, 3), (3, 4)])
def test_norms_correct_themselves_after_so_many_updates_resumed_or_not(wait: int, updates: int) -> None:
    learner, other = (
        SacLearner(tiny("Pendulum-v1", learner__renorm_updates=wait).learner, SacNetworkSettings(), SPEC, seed=0)
        for _ in range(2)
    )
    generator = torch.Generator().manual_seed(1)
    for _ in range(5):
        other.update(batch_of(generator))  # updates of its own, which loading must replace
    for _ in range(updates):
        learner.update(batch_of(generator))
    other.load_state(learner.state())
    for each in (learner, other):
        norms = [norm for norm in (*each.online.modules(), *each.critics.modules()) if isinstance(norm, BatchRenorm)]
        assert norms
        assert {norm.renorm_enabled for norm in norms} == {updates >= wait}


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_settings(name: str) -> None:
    settings = PRESETS[name]()
    assert from_dict(SacSettings, to_dict(settings)) == settings
    assert settings.rows_per_lane() >= 2 * settings.fleet.chunk_steps
    per_row = settings.replay_bytes(SPEC) / settings.replay.capacity
    assert per_row == 3 * 4 + 2 * 4 + 10, "frame, torques, reward, flags and version"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"replay.prioritized": True}, "CrossQ draws uniformly"),
        ({"fleet.learners": 2, "fleet.shards": 1}, r"fleet\.learners is 2: .* use 0 or 1"),
        ({"network.critic_units": 0}, r"network\.critic_units is 0: use 1 or more"),
        ({"learner.batch_size": 1}, r"learner\.batch_size must be 2 or more"),
        ({"learner.learning_rate": 0.0}, r"learner\.learning_rate and max_grad_norm must be above 0"),
        ({"learner.adam_beta1": 1.0}, r"learner\.adam_beta1 is 1\.0"),
    ],
)
def test_impossible_settings_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        changed(halfcheetah(), values)

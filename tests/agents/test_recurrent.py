"""Recurrent deep Q-learning: stored states, burn-in, masks, the update, resuming and learning."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from agents.dqn.serial import SerialLoop
from agents.evaluation.evaluate import evaluate_policy
from agents.networks.losses import error_loss
from agents.networks.recurrent import MEMORIES
from agents.recurrent.learner import SequenceLearner
from agents.recurrent.presets import PRESETS
from agents.recurrent.settings import RecurrentSettings
from agents.recurrent.targets import rescale, restore
from agents.replay.sequences import SequenceBatch
from tests.trees import assert_same
from training.settings import changed

SMALL: dict[str, Any] = {
    "env.id": "toy/tmaze-5",
    "network.hidden": 8,
    "network.window": 6,
    "exploration.anneal_steps": 400,
    "replay.capacity": 2_000,
    "replay.learning_starts": 100,
    "replay.samples_per_insert": 0.5,
    "sequence.burn_in": 5,
    "sequence.unroll": 8,
    "learner.batch_size": 8,
    "learner.target_period": 7,
    "fleet.envs_per_runner": 4,
    "fleet.chunk_steps": 6,
}


def small(**values: Any) -> RecurrentSettings:
    """Return settings of a short run; `network_memory="gru"` changes network.memory."""
    named = {name.replace("_", ".", 1): value for name, value in values.items()}
    return changed(PRESETS["tmaze"](), {**SMALL, **named})


def played(settings: RecurrentSettings, turns: int) -> SerialLoop:
    """Return a loop after so many turns."""
    run = SerialLoop(settings)
    for _ in range(turns):
        run.step()
    return run


@pytest.mark.parametrize("kind", MEMORIES)
def test_a_stored_state_is_the_actors_own(kind: str) -> None:
    """A stored state equals the state recomputed from the start of the episode or run with the same weights."""
    run = played(small(network_memory=kind, replay_learning_starts=2_000), 20)
    shard, network, (lanes, chunks) = run.replay, run.learner.online, run.replay.memory.shape[:2]
    first = torch.from_numpy(shard.first.reshape(lanes, -1))
    frames = shard.frames.view(lanes, -1, 1, 4)
    assert first[:, 1:120].any(1).all(), "episodes end inside"
    for chunk in range(min(chunks, 20)):
        begin, state = chunk * shard.chunk_steps, network.start(lanes)
        with torch.no_grad():
            for t in range(begin):
                state = network.unroll(frames[:, t][None], first[:, t][None], state).state
        state = torch.where(first[:, begin].unsqueeze(1), 0.0, state)
        np.testing.assert_allclose(shard.memory[:, chunk], state.numpy(), rtol=1e-4, atol=1e-5)
    assert kind == "none" or np.abs(shard.memory[:, 1:20]).max() > 0
    run.close()


def learner_and_batch(**values: Any) -> tuple[SequenceLearner, SequenceBatch]:
    """Return a learner and sequences that it has not learned from."""
    run = played(small(replay_learning_starts=2_000, **values), 25)
    run.close()
    assert isinstance(run.learner, SequenceLearner)
    batch: SequenceBatch = run.replay.sample(8)
    return run.learner, batch


@pytest.mark.parametrize("kind", MEMORIES)
def test_no_gradient_passes_through_the_burn_in(kind: str) -> None:
    """Burn-in frames and the stored state get no gradient, yet burn-in frames change the later values of a memory."""
    learner, batch = learner_and_batch(network_memory=kind)
    frames, memory = batch.frames.clone().requires_grad_(), batch.memory.clone().requires_grad_()
    batch = batch._replace(frames=frames, memory=memory, first=torch.zeros_like(batch.first))
    values = learner.values(learner.online, batch)
    values.square().sum().backward()  # type: ignore[no-untyped-call]
    assert frames.grad is not None
    assert memory.grad is None
    moved = frames.grad.abs().sum((0, 2, 3)) > 0
    assert moved.tolist() == [False] * 5 + [True] * 11
    others = batch._replace(frames=torch.cat([-frames[:, :5], frames[:, 5:]], 1))
    assert torch.equal(learner.values(learner.online, others), values) is (kind == "none")


@pytest.mark.parametrize(
    ("double", "loss", "clip", "rescaled", "eta"),
    [(True, "huber", 0.0, True, 0.9), (False, "huber", 0.0, True, 0.9), (False, "squared", 0.5, False, 0.4)],
)
def test_an_update_is_what_slow_code_says(double: bool, loss: Any, clip: float, rescaled: bool, eta: float) -> None:
    """Loss and priorities equal those computed one sequence, row and network step at a time."""
    named = {"learner_double": double, "learner_loss": loss, "learner_reward_clip": clip}
    learner, batch = learner_and_batch(**named, sequence_rescaling=rescaled, sequence_eta=eta, replay_prioritized=True)
    learner.target.load_state_dict({k: v + 0.05 for k, v in learner.target.state_dict().items()})
    batch = batch._replace(priority=torch.rand(8) + 0.1, reward=batch.reward * 30)
    limit, (h, inverse) = clip or math.inf, (rescale, restore) if rescaled else (torch.clone, torch.clone)
    gamma, burn_in, unroll = learner.settings.gamma, 5, 8
    losses, priorities, count = torch.zeros(8), [], 0
    for b in range(8):
        q = {}
        for network in (learner.online, learner.target):
            state, rows = batch.memory[b][None], []
            for t in range(batch.frames.shape[1]):
                found = network.unroll(batch.frames[b, t][None, None], batch.first[b, t][None, None], state)
                state, rows = found.state, [*rows, found.out[0, 0].detach()]
            q[network] = torch.stack(rows[burn_in:])
        errors = []
        for u in range(unroll):
            k = int(batch.steps[b, u])
            if k == 0:
                continue
            chooser = q[learner.online] if double else q[learner.target]
            worth = inverse(q[learner.target][u + k][chooser[u + k].argmax()])
            reward = [max(-limit, min(limit, float(r))) for r in batch.reward[b, u]]
            total = sum(gamma**i * reward[i] for i in range(k)) + float(batch.discount[b, u]) * worth
            errors.append(h(total) - q[learner.online][u][batch.action[b, u]])
        losses[b] = error_loss(torch.stack(errors), loss).sum()
        sizes = torch.stack(errors).abs()
        priorities.append(eta * sizes.max() + (1 - eta) * sizes.mean())
        assert float(sizes.max()) > 1, "where Huber's loss is no square"
        count += len(errors)
    weight = (batch.priority / batch.priority.min()) ** -learner.beta(0)
    update = learner.update(batch)
    torch.testing.assert_close(update.metrics["loss"], (weight * losses).sum() / count, rtol=1e-4, atol=1e-6)
    assert update.priority is not None
    torch.testing.assert_close(update.priority, torch.stack(priorities), rtol=1e-4, atol=1e-5)
    assert count < 8 * unroll, "some rows carry no loss"


def test_rows_without_a_transition_carry_no_loss() -> None:
    """Actions and rewards of rows without a transition change neither the loss nor the learner's state."""
    one, batch = learner_and_batch()
    other, _ = learner_and_batch()
    idle = ~batch.transition
    assert idle.any()
    assert not idle.all(1).any()
    strange = batch._replace(
        action=torch.where(idle, 2 - batch.action, batch.action),
        reward=torch.where(idle.unsqueeze(-1), 77.0, batch.reward),
    )
    found, same = one.update(batch), other.update(strange)
    assert float(found.metrics["loss"]) == float(same.metrics["loss"]) > 0
    assert_same(one.state(), other.state())
    assert len(found.distributions["td_error"]) == int(batch.transition.sum())


@pytest.mark.parametrize(("kind", "prioritized"), [("lstm", True), ("attention", False)])
def test_a_restored_run_goes_on_bit_for_bit(tmp_path: Path, kind: str, prioritized: bool) -> None:
    settings = small(network_memory=kind, replay_prioritized=prioritized, learner_average_rate=0.3)
    run = played(settings, 12)
    path = run.save(tmp_path)
    other = played(settings, 2)  # a run with steps of its own, which loading must replace
    other.load(path)
    updates = run.learner.updates
    for _ in range(12):
        run.step()
        other.step()
    assert 0 < updates < run.learner.updates
    for one in (run, other):
        one.close()
    assert_same(other.state(), run.state())
    assert_same(other.replay.state(), run.replay.state())
    assert (other.rollout.carry == run.rollout.carry).all()


def score_of(kind: str, steps: int) -> float:
    """Return the mean score of 40 greedy games, at the first perfect mean or after so many agent steps."""
    run, score = SerialLoop(small(network_memory=kind, **FAST)), 0.0
    for until in range(500, steps + 1, 500):
        while run.stats.agent_steps < until:
            run.step()
        score = float(evaluate_policy(run.policy(), run.settings, episodes=40, threads=1).scores.mean())
        if score == 1.0:
            break
    run.close()
    return score


def test_the_corridor_is_learned_by_memory_alone() -> None:
    """An LSTM wins every game; without a memory the mean score stays below 0.75."""
    assert score_of("lstm", 6_000) == 1.0
    assert score_of("none", 2_500) < 0.75


FAST: dict[str, Any] = {
    "network_hidden": 32,
    "exploration_anneal_steps": 1_500,
    "replay_samples_per_insert": 2.0,
    "replay_capacity": 8_000,
    "sequence_burn_in": 0,
    "sequence_unroll": 16,
    "learner_batch_size": 16,
    "learner_learning_rate": 3e-3,
    "learner_target_period": 50,
    "fleet_envs_per_runner": 8,
    "fleet_chunk_steps": 8,
    "network_span": 10,
}

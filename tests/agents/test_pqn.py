"""PQN: its update, learning and bit-exact resuming."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from agents.evaluation.evaluate import evaluate_policy
from agents.networks.q_network import NetworkSettings
from agents.pqn.experience import Experience
from agents.pqn.learner import PqnLearner, PqnLearnerSettings
from agents.pqn.serial import SerialLoop
from agents.pqn.settings import PqnSettings
from envs import EnvSettings
from tests.exact_values import chain_q_star
from tests.patience import TIMEOUT
from tests.specs import spec_of
from tests.trees import assert_same
from training.settings import changed
from training.storage import checkpoint

CPU: dict[str, Any] = {"learner.precision": "fp32", "learner.device": "cpu", "evaluation.protocol": "training"}
MLP: dict[str, Any] = {"network.kind": "mlp", "network.stack": 1, "network.hidden": 32, "network.layer_norm": True}


def settings_of(env: str, **values: Any) -> PqnSettings:
    """Return settings of a short float32 run on the CPU; `section__name=value` changes section.name."""
    named = {name.replace("__", "."): value for name, value in values.items()}
    pixels = {} if env == "toy/catch" else MLP
    return changed(PqnSettings(env=EnvSettings(id=env)), {**CPU, **pixels, **named})


def small(env: str, **values: Any) -> SerialLoop:
    """Return a run of a few envs and short rollouts."""
    few = {"learner__num_envs": 4, "learner__steps": 6, "learner__minibatches": 3, "exploration__anneal_steps": 200}
    return SerialLoop(settings_of(env, **{**few, **values}))


def seen_of(time: int, envs: int, seed: int = 0) -> Experience:
    """Return random rows of vectors, some of them resets."""
    rng = np.random.default_rng(seed)
    return Experience(
        obs=rng.normal(size=(time, envs, 1, 1, 4)).astype(np.float32),
        action=rng.integers(3, size=(time, envs)).astype(np.uint16),
        reward=rng.normal(0, 5, (time, envs)).astype(np.float32),
        terminal=rng.random((time, envs)) < 0.2,
        complete=rng.random((time, envs)) < 0.8,
        value=rng.normal(size=(time + 1, envs)).astype(np.float32),
    )


def learner_of(**options: Any) -> PqnLearner:
    """Return a small learner of vectors."""
    network = NetworkSettings(kind="mlp", stack=1, hidden=16)
    usual = {"num_envs": 4, "steps": 8, "minibatches": 1, "epochs": 1, "precision": "fp32", "device": "cpu"}
    return PqnLearner(PqnLearnerSettings(**{**usual, **options}), network, spec_of((4,), 3), seed=0)


def flat(learner: PqnLearner) -> torch.Tensor:
    """Return all parameters as one vector."""
    return torch.cat([p.detach().flatten() for p in learner.network.parameters()])


@pytest.mark.parametrize(("rate", "bound"), [(2.5e-4, 10.0), (0.1, 0.1)])
def test_an_update_is_a_step_of_radam_down_half_the_squared_error(rate: float, bound: float) -> None:
    """One minibatch gives one RAdam step on the complete rows alone, with rewards and gradient norm clipped."""
    options = {} if bound == 10.0 else {"learning_rate": rate, "max_grad_norm": bound}
    seen, learner, oracle = seen_of(8, 4), learner_of(reward_clip=1.0, trace=0.0, **options), learner_of()
    target = seen.reward.clip(-1, 1) + 0.99 * np.where(seen.terminal, 0, seen.value[1:])
    optimizer = torch.optim.RAdam(oracle.network.parameters(), rate)
    q = oracle.network(torch.from_numpy(seen.obs).flatten(0, 1))
    taken = q.gather(1, torch.from_numpy(seen.action.astype(np.int64)).view(-1, 1)).view(8, 4)
    loss = (0.5 * (torch.from_numpy(target.astype(np.float32)) - taken).square())[
        torch.from_numpy(seen.complete)
    ].mean()
    loss.backward()  # type: ignore[no-untyped-call]
    norm = float(torch.nn.utils.clip_grad_norm_(oracle.network.parameters(), bound))
    assert (norm > bound) == (bound == 0.1), "the smaller bound bites"
    optimizer.step()
    learned = learner.learn(seen, 0.0)
    assert learned.scalars["loss"] == pytest.approx(loss.item(), rel=1e-5)
    assert torch.allclose(flat(learner), flat(oracle), atol=1e-6)
    assert not torch.allclose(flat(learner), flat(learner_of()), atol=1e-6)


def test_every_transition_is_learned_from_once_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, learner = seen_of(8, 4), learner_of(epochs=3, minibatches=5)
    sizes = list[int]()
    hook = learner.network.register_forward_hook(lambda network, obs, out: sizes.append(len(out)))
    learned = learner.learn(seen, 0.0)
    hook.remove()
    assert (learned.updates, learner.updates, len(sizes)) == (15, 15, 15)
    assert sum(sizes) == 3 * seen.complete.sum()
    assert max(sizes) - min(sizes) <= 1


def test_an_annealed_learning_rate_falls_until_the_run_ends() -> None:
    run, rates = small("CartPole-v1", learner__anneal=True, stop__steps=100), list[float]()
    while not rates or rates[-1] > 0:
        run.step()
        (group,) = run.learner.optimizer.param_groups
        rates.append(group["lr"])
        assert rates[-1] == pytest.approx(2.5e-4 * max(1 - run.stats.agent_steps / 100, 0))
    assert len(rates) > 2, "part of the way, too"
    run.close()


def test_an_annealed_learning_rate_ends_at_nothing() -> None:
    learner, constant = learner_of(anneal=True), learner_of()
    before = flat(learner)
    learner.learn(seen_of(8, 4), 1.0)
    constant.learn(seen_of(8, 4), 1.0)
    assert torch.equal(flat(learner), before)
    assert not torch.equal(flat(constant), before)


@pytest.mark.parametrize("env", ["toy/catch", "CartPole-v1"])
def test_it_goes_on_bit_for_bit(tmp_path: Path, env: str) -> None:
    """A loaded run continues bit for bit, even after steps of its own; one extra random draw makes it differ."""
    run, other = small(env), small(env)
    for _ in range(3):
        run.step()
    path = run.save(tmp_path / "saved")
    other.step()
    other.load(path)
    for _ in range(3):
        run.step()
        other.step()
    mine, theirs = checkpoint.load(run.save(tmp_path / "own")), checkpoint.load(other.save(tmp_path / "other"))
    assert_same(theirs, mine)
    run.learner.rng.random()
    run.step()
    other.step()
    with pytest.raises(AssertionError):
        assert_same(other.learner.state(), run.learner.state())


def test_the_values_of_a_chain_are_learned() -> None:
    """The learned values come within 0.1 of Q* where episodes terminate, are truncated and start anywhere."""
    often = {"learner__num_envs": 8, "learner__steps": 16, "learner__minibatches": 4, "learner__epochs": 3}
    # With random actions throughout and one-step targets, the fixed point is Q*.
    plain = {"learner__gamma": 0.9, "learner__trace": 0.0, "exploration__final": 1.0, "learner__learning_rate": 3e-3}
    run = SerialLoop(settings_of("toy/chain", **often, **plain))
    while run.stats.agent_steps < 6_000:
        run.step()
    states = np.eye(5, dtype=np.float32)[:4, None, None]
    assert np.abs(run.policy().values(states) - chain_q_star(0.9)[:4]).max() < 0.1
    run.close()


def mean_score(run: SerialLoop) -> float:
    """Return the mean score of 100 whole games with frozen weights and no exploration."""
    return float(evaluate_policy(run.policy(), run.settings, episodes=100, threads=1).scores.mean())


@pytest.mark.slow
@pytest.mark.timeout(TIMEOUT)
def test_the_network_of_2013_learns_to_catch_from_pixels() -> None:
    """The mean score reaches 0.9 from pixels; random moves score -0.5, never missing scores 1."""
    run = SerialLoop(
        settings_of(
            "toy/catch",
            network__stack=2,
            network__layer_norm=True,
            exploration__final=0.02,
            exploration__anneal_steps=4_000,
            learner__num_envs=8,
            learner__steps=16,
            learner__minibatches=4,
            learner__epochs=6,
            learner__learning_rate=5e-4,
        )
    )
    score = mean_score(run)
    assert score < 0.5, "nothing has been learnt yet"
    while score < 0.9 and run.stats.agent_steps < 24_000:
        begun = run.stats.agent_steps
        while run.stats.agent_steps < begun + 2_000:
            run.step()
        if run.stats.agent_steps > 4_000:
            score = mean_score(run)
    assert score >= 0.9
    run.close()


def test_envs_of_a_rollout_may_all_reset_at_once() -> None:
    """Envs of toy/catch end together; a rollout of two rows with one transition per env still fills all minibatches."""
    run = small("toy/catch", learner__steps=2, learner__minibatches=4)
    for _ in range(13):
        run.step()
    assert run.stats.updates == 13 * 2 * 4
    run.close()


def test_it_takes_as_many_torch_threads_as_it_is_told() -> None:
    """A run sets torch's number of threads to learner.threads."""
    before = torch.get_num_threads()
    try:
        for threads in (2, 1):
            small("CartPole-v1", learner__threads=threads).close()
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)

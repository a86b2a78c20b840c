"""Offline deep Q-learning: sampled transitions, the CQL penalty, learned values and bit-exact resuming."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from agents.acting.episodes import play
from agents.imitation.cloning import with_dataset_env
from agents.imitation.dataset import open_dataset
from agents.imitation.offline import make_offline
from agents.imitation.record import Recorder
from agents.imitation.run import DatasetRun
from agents.imitation.settings import OfflineSettings
from agents.imitation.writer import new_dataset
from agents.networks.losses import action_loss
from agents.playback.frames_dataset import RandomPolicy
from envs import EnvSettings, make_env
from tests.exact_values import chain_q_star
from tests.small_learner import batch_of, flat, make_learner
from tests.trees import assert_same
from training.settings import changed
from training.storage import checkpoint

CHAIN = EnvSettings(id="toy/chain")
SMALL: dict[str, Any] = {
    "network.kind": "mlp",
    "network.stack": 1,
    "network.hidden": 32,
    "learner.batch_size": 64,
    "learner.learning_rate": 2e-3,
    "learner.gamma": 0.9,
    "learner.target_period": 25,
    "learner.precision": "fp32",
    "learner.device": "cpu",
    "evaluation.protocol": "training",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a data set of random play of the chain."""
    env, out = make_env(CHAIN, 4), tmp_path_factory.mktemp("data") / "chain"
    with new_dataset(out, CHAIN, env.spec, {"player": "chance"}) as writer:
        Recorder(writer, 4, labels=1_500).record(play(env, RandomPolicy(2, np.random.default_rng(0)), None, 0))
    return out


def small(folder: Path, **values: Any) -> DatasetRun:
    """Return a short training; `section__name=value` changes section.name."""
    named = {name.replace("__", "."): value for name, value in values.items()}
    settings = changed(OfflineSettings(dataset=str(folder)), {**SMALL, **named})
    return make_offline(with_dataset_env(settings, OfflineSettings()), OfflineSettings(), Path())


def test_transitions_are_the_data_sets(folder: Path) -> None:
    """All sampled transitions are those of the data set; the discount is 0 exactly at terminations."""
    run, dataset = small(folder), open_dataset(folder)
    expected = {}
    for episode in dataset.episodes(range(len(dataset.steps))):
        assert episode.terminated[-1] or episode.truncated[-1]
        for t, action in enumerate(episode.action):
            state, after = episode.frame[t : t + 2].argmax(1)
            expected[int(state), int(action)] = int(after), float(episode.reward[t]), bool(episode.terminated[t])
    batch = run.learner.replay.sample(300)  # type: ignore[attr-defined]
    seen = set()
    for i in range(300):
        state, after = int(batch.obs[i].argmax()), int(batch.next_obs[i].argmax())
        found = after, float(batch.reward[i, 0]), float(batch.discount[i]) == 0
        assert found == expected[state, int(batch.action[i])]
        seen.add((state, int(batch.action[i])))
    assert seen == expected.keys()
    assert (run.stats.agent_steps, run.stats.frames) == (1_500, 1_500)


def test_the_values_of_a_chain_are_learned_from_random_play(folder: Path) -> None:
    """From random play alone the learned values come within 0.05 of Q*."""
    run = small(folder, samples=40_000)
    while run.clock.now < run.clock.end:
        run.step(run.clock.end)
    found = run.policy.values(np.eye(5, dtype=np.float32)[:4, None, None])
    assert np.abs(found - chain_q_star(0.9)[:4]).max() < 0.05


def test_what_is_conservative_is_added(folder: Path) -> None:
    """A conservative weight adds the weighted mean of logsumexp Q - Q(a) to the loss; weight 0 changes no bit."""
    batch = batch_of()
    plain, none, some = make_learner(), make_learner(conservative=0.0), make_learner(conservative=0.7)
    with torch.no_grad():
        q = some.online(batch.obs)
    weight = (batch.priority / batch.priority.min()) ** -0.5
    expected = 0.7 * (weight * action_loss(q, batch.action)).mean().item()
    losses = [learner.update(batch).metrics["loss"].item() for learner in (plain, none, some)]
    assert losses[0] == losses[1]
    assert torch.equal(flat(plain), flat(none))
    assert losses[2] - losses[0] == pytest.approx(expected, rel=1e-4)
    assert not torch.equal(flat(plain), flat(some))
    with pytest.raises(ValueError, match=r"learner\.conservative is -1"):
        make_learner(conservative=-1.0)


def test_actions_that_nobody_took_are_worth_less(tmp_path: Path) -> None:
    """With CQL, actions absent from the data are valued more than 1 below those in it; without CQL they are not."""

    class Right(RandomPolicy):
        def act(self, *given: Any) -> Any:
            acted = super().act(*given)
            return acted._replace(action=np.ones_like(acted.action))

    env = make_env(CHAIN, 4)
    with new_dataset(tmp_path / "set", CHAIN, env.spec, {"player": "a runner"}) as writer:
        Recorder(writer, 4, labels=200).record(play(env, Right(2, np.random.default_rng(0)), None, 0))
    values = {}
    for weight in (0.0, 0.5):
        run = small(tmp_path / "set", samples=12_800, learner__conservative=weight)
        while run.clock.now < run.clock.end:
            run.step(run.clock.end)
        values[weight] = run.policy.values(np.eye(5, dtype=np.float32)[:4, None, None])
    gap = {weight: (q[:, 1] - q[:, 0]).min() for weight, q in values.items()}
    assert gap[0.5] > 1.0 > gap[0.0]


def test_it_goes_on_bit_for_bit(folder: Path, tmp_path: Path) -> None:
    run, other = small(folder), small(folder)
    run.step(2_000)
    path = run.save(tmp_path / "saved")
    other.step(700)
    other.load(path)
    for one in (run, other):
        one.step(4_000)
    mine, theirs = checkpoint.load(run.save(tmp_path / "own")), checkpoint.load(other.save(tmp_path / "other"))
    assert_same(theirs, mine)
    assert 0 < mine["stats"]["updates"] == mine["learner"]["updates"]


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="n_step is 0"):
        OfflineSettings(n_step=0)
    with pytest.raises(ValueError, match="samples must be 1"):
        OfflineSettings(samples=0)

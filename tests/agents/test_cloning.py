"""Behaviour cloning: the labels, an update, learning, and resuming bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from agents.imitation.cloning import check, make_cloning, with_dataset_env
from agents.imitation.dataset import Dataset, open_dataset
from agents.imitation.labels import EpisodeSubset, Labels, split
from agents.imitation.run import DatasetRun
from agents.imitation.settings import CloningSettings
from agents.networks.losses import action_loss
from agents.replay.frames import FrameStack, to_blocks
from envs import EnvSettings
from tests.players import CATCH, catch_dataset
from tests.specs import spec_of
from tests.trees import assert_same
from training.settings import changed
from training.storage import checkpoint

SMALL: dict[str, Any] = {
    "network.stack": 2,
    "learner.precision": "fp32",
    "learner.device": "cpu",
    "evaluation.protocol": "training",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Record sixty games of toy/catch and return the folder."""
    return catch_dataset(tmp_path_factory.mktemp("data") / "catch", games=60)


def settings_of(folder: Path, **values: Any) -> CloningSettings:
    """Return settings for a short training; a double underscore separates section and name."""
    named = {name.replace("__", "."): value for name, value in values.items()}
    return with_dataset_env(changed(CloningSettings(dataset=str(folder)), {**SMALL, **named}), CloningSettings())


def small(folder: Path, **values: Any) -> DatasetRun:
    return make_cloning(settings_of(folder, **values), CloningSettings(), Path())


def made_up(steps: list[int]) -> Dataset:
    """Return a data set of which only the lengths of the episodes are set."""
    return Dataset(Path("made-up"), spec_of(), None, np.array(steps))


@given(st.lists(st.integers(1, 30), min_size=2, max_size=40), st.floats(0, 0.9), st.integers(0, 5), st.data())
def test_episodes_are_learned_from_or_held_out(
    steps: list[int], holdout: float, seed: int, data: st.DataObject
) -> None:
    """Each episode is in training or held out; a number of labels takes a prefix of training, and 0 takes all."""
    dataset = made_up(steps)
    if max(round(holdout * len(steps)), 1) == len(steps):
        return
    train, held = split(dataset, holdout, 0, seed)
    assert sorted([*train.numbers, *held.numbers]) == list(range(len(steps)))
    assert len(held.numbers) == (max(round(holdout * len(steps)), 1) if holdout else 0)
    assert train.steps.tolist() == [steps[number] for number in train.numbers]
    labels = data.draw(st.integers(1, int(train.steps.sum())))
    part, same = split(dataset, holdout, labels, seed)
    assert part.steps.sum() == labels
    assert part.numbers.tolist() == train.numbers[: len(part.numbers)].tolist()
    assert part.steps[:-1].tolist() == train.steps[: len(part.numbers) - 1].tolist()
    assert 1 <= part.steps[-1] <= train.steps[len(part.numbers) - 1]
    assert same.numbers.tolist() == held.numbers.tolist()
    with pytest.raises(ValueError, match="record more"):
        split(dataset, holdout, int(train.steps.sum()) + 1, seed)


def test_nothing_is_left_of_one_episode() -> None:
    assert split(made_up([9]), 0.0, 0, 0)[0].steps.tolist() == [9]
    with pytest.raises(ValueError, match="none is left to train on"):
        split(made_up([9]), 0.1, 0, 0)


@pytest.mark.parametrize("stack", [1, 3])
def test_labels_are_what_the_player_saw_and_did(folder: Path, stack: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels hold the actor's frame stacks and actions, of whole and cut episodes, also if read in small pieces."""
    monkeypatch.setattr("agents.imitation.labels.chunks_of.__defaults__", (5,))
    dataset = open_dataset(folder)
    share = EpisodeSubset(np.array([7, 0, 30]), np.array([11, 11, 4]))
    labels = Labels(share, dataset, stack=stack)
    obs, action = labels.batch(np.arange(len(labels)))
    assert len(labels) == 26
    seen, done = [], []
    for number, steps in zip(share.numbers, share.steps, strict=True):
        (episode,) = dataset.episodes([number])
        stacked = FrameStack(stack)
        for t in range(steps):
            seen.append(stacked.push(to_blocks(episode.frame[t : t + 1]), np.array([t == 0])).copy()[0])
            done.append(int(episode.action[t]))
    assert np.array_equal(obs.numpy(), np.stack(seen))
    assert action.tolist() == done


@pytest.mark.parametrize("bound", [10.0, 0.1])
def test_an_update_is_a_step_of_adam_down_the_cross_entropy(folder: Path, bound: float) -> None:
    """Three updates equal steps of Adam on drawn labels; the smaller gradient bound takes effect."""
    run, oracle = small(folder, learner__max_grad_norm=bound).learner, small(folder).learner
    optimizer, rng = torch.optim.Adam(oracle.network.parameters(), 5e-4), np.random.default_rng([0, 3])
    for _ in range(3):
        obs, action = oracle.labels.batch(rng.integers(len(oracle.labels), size=64))  # type: ignore[attr-defined]
        loss = F.cross_entropy(oracle.network(obs), action)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        assert (torch.nn.utils.clip_grad_norm_(oracle.network.parameters(), bound) > bound) == (bound == 0.1)
        optimizer.step()
    learned = run.train(3)
    assert learned.scalars["loss"] == pytest.approx(loss.item(), rel=1e-4)
    for mine, theirs in zip(run.network.parameters(), oracle.network.parameters(), strict=True):
        assert torch.allclose(mine, theirs, atol=1e-6)
    assert not torch.allclose(next(run.network.parameters()), next(small(folder).learner.network.parameters()))


def test_the_loss_of_an_action_is_its_cross_entropy() -> None:
    q, action = torch.randn(9, 4), torch.tensor([0, 3, 1, 1, 2, 0, 3, 3, 2])
    assert torch.allclose(action_loss(q, action), F.cross_entropy(q, action, reduction="none"))
    assert (action_loss(q, action) > 0).all()


def test_what_is_held_out_is_tested_on(folder: Path) -> None:
    """Accuracy and loss on held-out labels equal those of a loop over single labels; a sample of them can be used."""
    learner = small(folder, holdout=0.5).learner
    held_out: Labels = learner.held_out  # type: ignore[attr-defined]
    assert len(held_out) == 30 * 11
    found, right, loss = learner.held_out_metrics(), 0, 0.0
    for label in range(len(held_out)):
        obs, action = held_out.batch(np.array([label]))
        q = learner.network(obs).detach()
        right, loss = right + int(q.argmax() == action), loss + F.cross_entropy(q, action).item()
    assert found["held_out_accuracy"] == pytest.approx(right / 330)
    assert found["held_out_loss"] == pytest.approx(loss / 330, rel=1e-4)
    assert 0 <= learner.held_out_metrics(7)["held_out_accuracy"] * 7 <= 7
    assert small(folder, holdout=0.0).learner.held_out_metrics() == {}


def test_it_learns_what_the_player_does(tmp_path: Path) -> None:
    """A clone of a player with a tenth of random actions gains accuracy and scores above 0.5.

    Random play catches one ball in four, the player all; a score of 0.5 is three balls in four.
    """
    folder = catch_dataset(tmp_path / "catch", games=400)
    run = small(folder, learner__learning_rate=2e-3, samples=9_600)
    assert run.judge().score < 0.5
    before = run.learner.held_out_metrics()
    while run.clock.now < run.clock.end:
        run.step(run.clock.end)
    found = run.learner.held_out_metrics()
    assert run.clock.now == 9_600
    assert before["held_out_accuracy"] < 0.7 < 0.85 < found["held_out_accuracy"]
    assert found["held_out_loss"] < before["held_out_loss"]
    assert run.evaluate(lambda share: None).score > 0.5
    assert run.summary()["held_out_accuracy"] == found["held_out_accuracy"]


def test_it_goes_on_bit_for_bit(folder: Path, tmp_path: Path) -> None:
    """A resumed run equals the uninterrupted one, also if it had trained before; a run with more updates differs."""
    run, other = small(folder, samples=200_000), small(folder, samples=200_000)
    run.step(640)
    path = run.save(tmp_path / "saved")
    other.step(320)
    other.load(path)
    for one in (run, other):
        one.step(1280)
    mine, theirs = checkpoint.load(run.save(tmp_path / "own")), checkpoint.load(other.save(tmp_path / "other"))
    assert_same(theirs, mine)
    run.step(1344)
    with pytest.raises(AssertionError):
        assert_same(other.learner.state(), run.learner.state())


def test_a_data_set_that_has_changed_is_seen(folder: Path, tmp_path: Path) -> None:
    path = small(folder).save(tmp_path)
    with pytest.raises(ValueError, match="train anew"):
        small(folder, labels=100).load(path)


def test_its_env_is_the_data_sets(folder: Path) -> None:
    settings = settings_of(folder)
    assert (settings.env, settings.dataset) == (CATCH, str(folder.absolute()))
    check(settings)
    asked = CloningSettings(dataset=str(folder), env=EnvSettings(id="toy/chain"))
    with pytest.raises(ValueError, match="leave --env"):
        with_dataset_env(asked, CloningSettings())
    with pytest.raises(ValueError, match=r"has frames \[84, 84\] of uint8 and 3 actions, CartPole-v1 has frames \[4\]"):
        check(changed(asked, {"env.id": "CartPole-v1", "network.kind": "mlp"}))
    assert with_dataset_env(CloningSettings(), CloningSettings()) == CloningSettings()


@pytest.mark.parametrize(
    ("values", "remedy"),
    [
        ({"seed": -1}, "seed is -1"),
        ({"samples": 0}, "samples must be 1 or more"),
        ({"holdout": 1.0}, "holdout is a share"),
        ({"labels": -1}, r"labels 0 \(all\) or more"),
        ({"network.head": "quantile"}, "use scalar"),
        ({"network.noisy": True}, "a classifier does not, use false"),
        ({"evaluation.every_steps": 9}, "use 0"),
        ({"learner.batch_size": 0}, "learner.batch_size is 0"),
        ({"learner.learning_rate": 0.0}, "above 0"),
        ({"learner.precision": "fp8"}, "use one of auto, bf16, fp32"),
    ],
)
def test_impossible_settings_are_refused(values: dict[str, Any], remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy):
        changed(CloningSettings(), values)

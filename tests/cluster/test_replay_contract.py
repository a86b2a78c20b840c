"""Replay in the learner and replay as actors: one contract. Frames encode their origin, so every sample is checked.

Two runners with three lanes each play a coded env. In one process they share a shard; as actors each has its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import ray

from agents.networks.losses import importance_weights
from agents.replay.keys import SHARD_BITS
from agents.replay.transitions import ReplayEmpty
from tests.cluster.helpers import PATIENCE, TIMEOUT, kill
from tests.cluster.places import (
    ALPHA,
    CHUNKS,
    ENVS,
    STACK,
    TIME,
    AsActors,
    InLearner,
    Place,
    checked,
    lost_for_good,
    play,
    settle,
    surprise,
)
from tests.coded_env import Code

pytestmark = [pytest.mark.ray, pytest.mark.timeout(TIMEOUT), pytest.mark.usefixtures("ray_cluster")]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory, ray_cluster: None) -> Iterator[Callable[..., Place]]:
    """Return a function that returns an empty replay of a placement; actors are started once."""
    folder, made = tmp_path_factory.mktemp("replay"), dict[tuple[type, bool], Place]()

    def give(kind: type[Place], *, prioritized: bool = True) -> Place:
        if (kind, prioritized) not in made:
            made[kind, prioritized] = kind(folder, prioritized=prioritized)
        made[kind, prioritized].reset()
        return made[kind, prioritized]

    yield give
    for place in made.values():
        place.close()


@pytest.fixture(params=[InLearner, AsActors])
def make(request: pytest.FixtureRequest, places: Callable[..., Place]) -> Callable[..., Place]:
    """Return a function that returns an empty replay, in every placement."""
    return partial(places, request.param)


@pytest.fixture
def actors(places: Callable[..., Place]) -> AsActors:
    """Return an empty prioritized replay as actors."""
    place = places(AsActors)
    assert isinstance(place, AsActors)
    return place


@pytest.mark.parametrize("prioritized", [False, True])
def test_samples_are_transitions_that_happened(make: Callable[..., Place], prioritized: bool) -> None:
    place = make(prioritized=prioritized)
    play(place)
    batch = place.sample(512)
    assert batch.obs.shape == batch.next_obs.shape == (512, 441, STACK, 16)
    assert batch.prioritized == prioritized
    assert set(batch.version.tolist()) == set(range(CHUNKS))
    starts = checked(batch)
    assert {code.env for code in starts} == set(range(ENVS))
    assert len(set(zip(batch.key.tolist(), starts, strict=True))) == len(set(batch.key.tolist())) > 64


def test_an_empty_replay_says_so(make: Callable[..., Place]) -> None:
    with pytest.raises(ReplayEmpty, match="add rows before sampling"):
        make().sample(8)


def test_priorities_come_back_and_decide(make: Callable[..., Place]) -> None:
    """C12 in every placement: P(i) is p_i^alpha over the sum, and TD errors reach the rows that they belong to."""
    place = make()
    play(place)
    settle(place)
    seen: dict[int, float] = {}
    counts: dict[float, int] = {}
    for _ in range(16):
        batch = place.sample(256)
        for code, key, priority in zip(checked(batch), batch.key.tolist(), batch.priority.tolist(), strict=True):
            assert priority == pytest.approx((surprise(code) + 1e-6) ** ALPHA, rel=1e-5)
            seen[key] = priority
            counts[surprise(code)] = counts.get(surprise(code), 0) + 1
    assert sum(seen.values()) == pytest.approx(place.mass(), rel=1e-5)
    for error, count in counts.items():
        share = sum(p for p in seen.values() if p == pytest.approx(error**ALPHA, rel=1e-3)) / sum(seen.values())
        assert abs(count - 4_096 * share) < 5 * np.sqrt(4_096 * share * (1 - share))


def test_a_saved_replay_goes_on(make: Callable[..., Place], tmp_path: Path) -> None:
    place = make()
    play(place)
    settle(place)
    mass = place.mass()
    place.save(tmp_path)
    parts = len(place.shards) if isinstance(place, AsActors) else 1
    assert {path.name for path in tmp_path.iterdir()} == {f"replay-{index}" for index in range(parts)}
    place.reset()
    assert place.mass() == 0
    place.load(tmp_path)
    assert place.mass() == mass
    batch = place.sample(512)
    for code, priority in zip(checked(batch), batch.priority.tolist(), strict=True):
        assert priority == pytest.approx((surprise(code) + 1e-6) ** ALPHA, rel=1e-5)


def test_c14_one_shard_and_many_give_the_same_weights(places: Callable[..., Place]) -> None:
    """C14: the importance weight of a transition does not depend on how many shards hold the replay."""
    both: tuple[Place, ...] = (places(InLearner), places(AsActors))
    weights: list[dict[Code, float]] = []
    for place in both:
        play(place)
        settle(place)
        batch = place.sample(2_048)
        weight = importance_weights(batch.priority, beta=0.7)
        weights.append(dict(zip(checked(batch), weight.tolist(), strict=True)))
    assert both[0].mass() == pytest.approx(both[1].mass())
    assert weights[0].keys() == weights[1].keys()
    for code, value in weights[0].items():
        assert value == pytest.approx(weights[1][code], rel=1e-5)
        assert value == pytest.approx(((surprise(code) + 1e-6) / (0.5 + 1e-6)) ** (-0.7 * ALPHA), rel=1e-5)


@pytest.mark.parametrize("prioritized", [False, True])
def test_c15_shards_are_drawn_from_by_their_mass(places: Callable[..., Place], prioritized: bool) -> None:
    """C15: shards are sampled in proportion to their rows or total priority, not equally."""
    place = places(AsActors, prioritized=prioritized)
    assert isinstance(place, AsActors)
    play(place, (6, 2))
    if prioritized:  # now the small shard has the larger total priority
        for _ in range(12):
            batch = place.sample(256)
            place.update_priorities(batch.key, np.where(batch.key >> SHARD_BITS == 1, 50.0, 0.1).astype(np.float32))
        place.mass()
        for _ in range(2):
            place.sample(256)
    first, second = ray.get([shard.mass.remote() for shard in place.shards], timeout=PATIENCE)
    assert (second > 2 * first) if prioritized else (first > 2 * second)
    owner = np.concatenate([place.sample(256).key >> SHARD_BITS for _ in range(8)])
    share = second / (first + second)
    assert abs((owner == 1).sum() - 2_048 * share) < 5 * np.sqrt(2_048 * share * (1 - share))


def test_a_killed_shard_costs_its_share_and_no_more(actors: AsActors) -> None:
    """C27: the other shards serve at once; the killed shard restarts empty and fills; its old keys change nothing."""
    rollouts = play(actors)
    before = actors.sample(512)
    old = before.key[before.key >> SHARD_BITS == 0]
    assert 0 < len(old) < 512
    kill(actors.shards[0])
    for _ in range(8):
        checked(actors.sample(64))
    for _ in range(2):  # its runner continues in the middle of an episode
        actors.add(0, rollouts[0].collect(TIME, 0, CHUNKS)[0])
    mass = ray.get(actors.shards[0].mass.remote(), timeout=PATIENCE)
    assert 0 < mass < TIME * ENVS * 2
    actors.update_priorities(old, np.full(len(old), 1e6, np.float32))
    assert ray.get(actors.shards[0].mass.remote(), timeout=PATIENCE) == mass
    drawn = [actors.sample(256)]
    while len(drawn) < 6 or (drawn[-4].key >> SHARD_BITS).all():  # a shard answers a request once it has restarted
        drawn.append(actors.sample(256))
    for batch in drawn:
        checked(batch, lanes_begin_anywhere=True)
    again = np.concatenate([batch.version[batch.key >> SHARD_BITS == 0] for batch in drawn[2:]])
    assert set(again.tolist()) == {CHUNKS}, "what the shard held is lost, what it was given since is there"


def test_without_any_shard_replay_is_empty(actors: AsActors) -> None:
    play(actors)
    checked(actors.sample(64))
    for shard in actors.shards:
        kill(shard)
    with pytest.raises(ReplayEmpty):
        _ = [actors.sample(64) for _ in range(4)]  # the first samples may already have been in flight
    play(actors)
    assert {int(key) >> SHARD_BITS for key in actors.sample(256).key} == {0, 1}


def test_a_checkpoint_that_meets_a_killed_shard(actors: AsActors, tmp_path: Path) -> None:
    """C27: a save just after a kill waits for the restarted shard; loading restores the other shards' rows."""
    play(actors)
    masses = ray.get([shard.mass.remote() for shard in actors.shards], timeout=PATIENCE)
    kill(actors.shards[0])
    actors.save(tmp_path)
    play(actors)
    kill(actors.shards[1])
    actors.load(tmp_path)
    assert ray.get([shard.mass.remote() for shard in actors.shards], timeout=PATIENCE) == [0.0, masses[1]]
    checked(actors.sample(64))


def test_a_shard_lost_for_good_saves_nothing(actors: AsActors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """C27: a checkpoint is complete without a lost shard, and loading it leaves that shard empty."""
    play(actors)
    lost, kept = actors.shards
    others = actors.mass() - ray.get(lost.mass.remote(), timeout=PATIENCE)
    actors.shards = [lost_for_good(actors, monkeypatch), kept]
    actors.save(tmp_path)
    with pytest.raises(ray.exceptions.RayActorError):
        actors.load(tmp_path)
    actors.shards = [lost, kept]
    actors.load(tmp_path)
    assert actors.mass() == others

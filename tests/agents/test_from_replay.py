"""Replay as a data set: whole episodes, and the rest of those that were cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agents.acting.exploration import ExplorationSettings
from agents.acting.policy import QPolicy
from agents.acting.rollout import Rollout
from agents.imitation.from_replay import episodes_of, shards_of
from agents.networks.q_network import NetworkSettings, QNetwork
from agents.replay.frames import from_blocks
from agents.replay.shard import ReplayShard
from agents.replay.transitions import Chunk, ReplaySettings
from tests.coded_env import CodedEnv, decode, reward_of
from tests.specs import spec_of
from training.storage import checkpoint

LENGTHS = (5, 3, 8)


def played(chunks: int, lanes: int, capacity: int = 1_000) -> tuple[ReplayShard, list[Chunk]]:
    """Return a shard filled with play of a coded env, and the chunks added to it."""
    env = CodedEnv(lanes, lengths=LENGTHS, life_lost_at=(2,))
    network = QNetwork(NetworkSettings(stack=2), env.spec.frame_shape, env.spec.num_actions).requires_grad_(False)
    policy, everything = QPolicy(network, precision="fp32"), ExplorationSettings(start=1.0, final=1.0)
    rollout = Rollout(env, policy, everything, seed=0)
    replay = ReplaySettings(capacity=capacity, learning_starts=0)
    shard = ReplayShard(replay, lanes=lanes, spec=env.spec, stack=2, gamma=0.9, seed=0)
    given = [rollout.collect(7, 0)[0] for _ in range(chunks)]
    for chunk in given:
        shard.add(chunk)
    return shard, given


def saved(shard: ReplayShard, path: Path) -> Path:
    checkpoint.save(path, shard.state())
    return path


@pytest.mark.parametrize(("chunks", "lanes"), [(4, 3), (9, 40), (1, 2)])
def test_episodes_are_those_that_were_played(chunks: int, lanes: int, tmp_path: Path) -> None:
    """In rings that have wrapped (25 rows) and in others; the newest episode of a lane may be cut."""
    shard, given = played(chunks, lanes)
    action = {}
    for chunk in given:
        for t in range(len(chunk.action)):
            for e in range(lanes):
                code = decode(_frame(chunk, t, e))
                action[code] = int(chunk.action[t, e])
    found, rows = {}, 7 * chunks
    kept = {(e, t) for e in range(lanes) for t in range(max(rows - shard.rows, 0), rows)}
    for episode in episodes_of(saved(shard, tmp_path / "replay-0"), (84, 84)):
        codes = [decode(frame) for frame in episode.frame]
        env, number, begins = codes[0]
        whole = len(codes) - 1 == LENGTHS[(env + number) % 3]
        assert (begins, codes) == (0, [(env, number, t) for t in range(len(codes))])
        assert episode.reward.tolist() == [reward_of(*code) for code in codes[1:]]
        assert episode.action.tolist() == [action[code] for code in codes[:-1]]
        last = len(codes) - 1
        ended = (env + number) % 2 == 0 if whole else last == 2  # a life lost with the last frame is terminal, too
        assert episode.terminated.tolist() == [False] * (len(codes) - 2) + [ended]
        assert episode.truncated.tolist() == [False] * (len(codes) - 2) + [not ended]
        assert episode.life_lost.tolist() == [t == 2 and t != last for t in range(1, len(codes))]
        found[env, number] = len(codes)
    expected: dict[tuple[int, int], int] = {}
    for e, t in sorted(kept):
        env, number, at = decode(_frame(given[t // 7], t % 7, e))
        if at == 0 or (env, number) in expected:
            expected[env, number] = at + 1
    assert found == {name: frames for name, frames in expected.items() if frames > 1}
    assert any(frames <= LENGTHS[sum(name) % 3] for name, frames in found.items()), "some are cut"


def _frame(chunk: Chunk, t: int, e: int) -> Any:
    return from_blocks(chunk.frames[t, e], (84, 84))


def test_a_lane_in_which_nothing_begins_is_passed_over(tmp_path: Path) -> None:
    """A lane without an episode start in its ring yields no episode, as after an episode longer than the ring."""
    shard, _ = played(4, 3)
    shard.first[: shard.rows] = False
    episodes = list(episodes_of(saved(shard, tmp_path / "replay-0"), (84, 84)))
    assert {decode(episode.frame[0]).env for episode in episodes} == {1, 2}


@pytest.mark.parametrize("lost", [2, 3])
def test_nothing_spans_a_lost_chunk(lost: int, tmp_path: Path) -> None:
    """An episode is cut before the gap, and the rows after it begin a new one."""
    shard, given = played(0, 2)[0], played(6, 2)[1]
    for index, chunk in enumerate(given):
        if index != lost:
            shard.add(chunk)
    begins = set()
    for episode in episodes_of(saved(shard, tmp_path / "replay-0"), (84, 84)):
        codes = [decode(frame) for frame in episode.frame]
        assert [code.t for code in codes] == list(range(codes[0].t, codes[0].t + len(codes)))
        assert len({code[:2] for code in codes}) == 1
        assert episode.truncated[-1] != episode.terminated[-1]
        begins.add(codes[0].t)
    assert begins != {0}, "a chunk was lost in the middle of an episode"


def test_shards_in_their_order(tmp_path: Path) -> None:
    """Shards are sorted by number; an empty shard has no episodes, and a folder without shards is refused."""
    for number in (10, 2, 0):
        checkpoint.save(tmp_path / f"replay-{number}", {})
    assert [shard.name for shard in shards_of(tmp_path)] == ["replay-0", "replay-2", "replay-10"]
    assert list(episodes_of(tmp_path / "replay-2", spec_of().frame_shape)) == []
    with pytest.raises(ValueError, match="holds no replay"):
        shards_of(tmp_path / "replay-0")

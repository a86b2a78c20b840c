"""A slow oracle for replay: episodes as plain Python lists, walked one transition at a time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count, pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.replay.frames import to_blocks
from agents.replay.keys import LANE_BITS
from agents.replay.shard import ReplayShard
from agents.replay.transitions import Batch, Chunk, ReplaySettings
from tests.specs import spec_of

FRAME_SHAPE = (4, 4)  # one block: enough for a code, and fast
GAMMA = 0.9
SIGNALLING_NAN = 0x7FF00001  # replay moves blocks as floating-point numbers: no bit of one may change


class Game(NamedTuple):
    """An episode of `length` actions; a life is lost with each action in `lives`."""

    length: int
    ending: Literal["terminated", "truncated", "killed"]  # killed: the runner died before the next frame was seen
    lives: tuple[int, ...] = ()


class Row(NamedTuple):
    """The row that a rollout writes at one time step of one lane."""

    code: tuple[int, int, int]  # lane, episode, t
    action: int
    reward: float
    terminal: bool
    first: bool
    version: int


class Transition(NamedTuple):
    """The transition that the learner must get: frames by row number, oldest first."""

    obs: list[int]
    action: int
    rewards: list[float]
    discount: float
    next_obs: list[int]
    version: int


def lane_rows(lane: int, games: Sequence[Game], length: int) -> list[Row]:
    """Return the first `length` rows of a lane that plays `games` over and over, lane l beginning with game l."""
    rows: list[Row] = []
    for episode in count():
        game = games[(lane + episode) % len(games)]
        frames = game.length + (game.ending != "killed")
        for t in range(frames):
            acted = t < game.length
            over = game.ending == "terminated" and t == game.length - 1
            reward = float((3 * lane + 5 * episode + 2 * t) % 11 - 5) if acted else 0.0
            terminal = acted and (over or t in game.lives)
            rows.append(Row((lane, episode, t), (lane + t) % 7, reward, terminal, t == 0, len(rows) // 5))
            if len(rows) == length:
                return rows
    raise AssertionError


def transitions(rows: Sequence[Row], n_step: int, stack: int) -> dict[int, Transition]:
    """Return every transition of a lane's rows by the number of its first row, those of unfinished windows included."""
    found: dict[int, Transition] = {}
    starts = [i for i, row in enumerate(rows) if row.first or i == 0]
    for begin, end in pairwise([*starts, len(rows)]):

        def stack_at(row: int, begin: int = begin) -> list[int]:
            return [max(row - age, begin) for age in reversed(range(stack))]

        for row in range(begin, end - 1):
            rewards: list[float] = []
            discount, now = 1.0, row
            while now < end - 1 and len(rewards) < n_step and discount > 0:
                rewards.append(rows[now].reward)
                discount *= 0.0 if rows[now].terminal else GAMMA
                now += 1
            padded = rewards + [0.0] * (n_step - len(rewards))
            found[row] = Transition(stack_at(row), rows[row].action, padded, discount, stack_at(now), rows[row].version)
    return found


def eligible(rows: Sequence[Row], n_step: int, stack: int, capacity: int) -> dict[int, Transition]:
    """Return the transitions with a complete window and with frames still in a ring of `capacity` rows."""
    lost = 0 if rows and rows[0].first else stack - 1  # frames from before the ring began are in no stack
    low = max(len(rows) - capacity + stack - 1, lost)
    return {row: t for row, t in transitions(rows, n_step, stack).items() if low <= row < len(rows) - n_step}


def picture(rows: Sequence[Row]) -> NDArray[np.uint8]:
    """Return blocks uint8 [N, 1, 16] with the rows' codes."""
    words = np.array([(*row.code, SIGNALLING_NAN) for row in rows], "<u4")
    return to_blocks(words.view(np.uint8).reshape(-1, *FRAME_SHAPE))


def chunk_of(lanes: Sequence[Sequence[Row]], lane: int, row: int = 0) -> Chunk:
    """Return T rows of E lanes as a rollout's chunk; `version` [T, E] replaces its one number."""

    def column(name: str, dtype: Any) -> NDArray[Any]:
        return np.array([[getattr(row, name) for row in rows] for rows in lanes], dtype).T

    frames = np.stack([picture(rows) for rows in lanes], axis=1)
    version: Any = column("version", np.int32)
    flags = column("terminal", np.bool_), column("first", np.bool_)
    return Chunk(frames, column("action", np.uint8), column("reward", np.float32), *flags, lane, version, row)


def make_shard(
    lanes: int, *, n_step: int, stack: int, prioritized: bool, key_offset: int = 0, **other: Any
) -> ReplayShard:
    """Return a shard for the oracle's small frames."""
    settings = ReplaySettings(capacity=1000, n_step=n_step, prioritized=prioritized, learning_starts=0, **other)
    return ReplayShard(
        settings,
        lanes=lanes,
        spec=spec_of(FRAME_SHAPE),
        stack=stack,
        gamma=GAMMA,
        seed=0,
        key_offset=key_offset,
    )


def rows_of(key: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return (lane, row number) of each key."""
    return [(int(k) >> LANE_BITS, int(k) & ((1 << LANE_BITS) - 1)) for k in key]


def check(
    batch: Batch, lanes: Sequence[Sequence[Row]], wanted: Sequence[dict[int, Transition]]
) -> set[tuple[int, int]]:
    """Compare every transition of a batch with the oracle's `wanted`; return the (lane, row) of those it contains."""
    named = rows_of(batch.key)
    places = {place: index for index, place in enumerate(named)}
    for (lane, row), index in places.items():
        assert row in wanted[lane], f"row {row} of lane {lane} must not be drawn: {lanes[lane][row]}"
        t = wanted[lane][row]
        stacks = picture([lanes[lane][r] for r in (*t.obs, *t.next_obs)]).swapaxes(0, 1)
        got = np.concatenate((batch.obs[index].numpy(), batch.next_obs[index].numpy()), axis=1)
        np.testing.assert_array_equal(got, stacks, err_msg=f"lane {lane}, row {row}")
        assert (int(batch.action[index]), int(batch.version[index])) == (t.action, t.version)
        assert batch.reward[index].tolist() == t.rewards
        np.testing.assert_allclose(float(batch.discount[index]), t.discount, rtol=1e-6)
    return set(places)

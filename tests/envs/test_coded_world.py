"""The test world itself: what its pixels say is what happened."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.coded_world import Code, CodedWorld, decode, encode, reward_of

number = st.integers(0, 2**32 - 1)


@given(number, number, number)
def test_codes_survive_pixels(env: int, episode: int, t: int) -> None:
    assert decode(encode(env, episode, t)) == Code(env, episode, t)


@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=4),
    st.lists(st.sampled_from(["terminated", "truncated"]), min_size=1, max_size=3),
    st.sets(st.integers(1, 6)),
)
def test_episodes_run_as_asked(lengths: list[int], endings: list[str], life_lost_at: set[int]) -> None:
    world = CodedWorld(3, lengths=lengths, endings=endings, life_lost_at=tuple(life_lost_at))  # type: ignore[arg-type]
    step, expected = world.reset(0), [Code(env, 0, 0) for env in range(3)]
    for _ in range(30):
        for env, code in enumerate(expected):
            over = code.t == world.length(env, code.episode)
            assert decode(step.frame[env]) == code
            assert step.first[env] == (code.t == 0)
            assert step.reward[env] == (reward_of(*code) if code.t else 0)
            assert step.terminated[env] == (over and world.ending(env, code.episode) == "terminated")
            assert step.truncated[env] == (over and world.ending(env, code.episode) == "truncated")
            assert step.life_lost[env] == (code.t in life_lost_at and not over)
            assert step.frames[env] == (0 if code.t == 0 else 3 if over else 4)
            expected[env] = Code(env, code.episode + 1, 0) if over else Code(env, code.episode, code.t + 1)
        step = world.step(np.zeros(3, np.int64))


def test_rewards_reach_beyond_the_clip() -> None:
    rewards = {reward_of(env, episode, t) for env in range(3) for episode in range(3) for t in range(1, 12)}
    assert rewards == set(range(-5, 6))


def test_a_second_reset_begins_new_episodes() -> None:
    world = CodedWorld(2)
    world.reset(0)
    world.step(np.zeros(2, np.int64))
    assert [decode(frame) for frame in world.reset(0).frame] == [Code(0, 1, 0), Code(1, 1, 0)]

"""The coded test env: its pixels encode env, episode and step."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.coded_env import Code, CodedEnv, decode, encode, reward_of

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
    env = CodedEnv(3, lengths=lengths, endings=endings, life_lost_at=tuple(life_lost_at))  # type: ignore[arg-type]
    step, expected = env.reset(0), [Code(lane, 0, 0) for lane in range(3)]
    for _ in range(30):
        for lane, code in enumerate(expected):
            over = code.t == env.length(lane, code.episode)
            assert decode(step.frame[lane]) == code
            assert step.first[lane] == (code.t == 0)
            assert step.reward[lane] == (reward_of(*code) if code.t else 0)
            assert step.terminated[lane] == (over and env.ending(lane, code.episode) == "terminated")
            assert step.truncated[lane] == (over and env.ending(lane, code.episode) == "truncated")
            assert step.life_lost[lane] == (code.t in life_lost_at and not over)
            assert step.frames[lane] == (0 if code.t == 0 else 3 if over else 4)
            expected[lane] = Code(lane, code.episode + 1, 0) if over else Code(lane, code.episode, code.t + 1)
        step = env.step(np.zeros(3, np.int64))


def test_rewards_reach_beyond_the_clip() -> None:
    rewards = {reward_of(env, episode, t) for env in range(3) for episode in range(3) for t in range(1, 12)}
    assert rewards == set(range(-5, 6))


def test_a_second_reset_begins_new_episodes() -> None:
    env = CodedEnv(2)
    env.reset(0)
    env.step(np.zeros(2, np.int64))
    assert [decode(frame) for frame in env.reset(0).frame] == [Code(0, 1, 0), Code(1, 1, 0)]

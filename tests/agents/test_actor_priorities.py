"""Initial priorities from the actor's values: against a slow loop, over gaps and restarts, and after a resume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from agents.acting.exploration import ExplorationSettings
from agents.acting.policy import QPolicy
from agents.acting.priorities import actor_priorities
from agents.acting.rollout import Rollout
from agents.dqn.learner_settings import LearnerSettings
from agents.dqn.papers import apex, rainbow
from agents.dqn.serial import SerialLoop
from agents.dqn.settings import Settings
from agents.replay.shard import ReplayShard
from agents.replay.transitions import Chunk, ReplaySettings
from tests.agents.test_serial_resume import everything, play
from tests.coded_env import NUM_ACTIONS, CodedEnv
from tests.small_run import small_settings
from tests.specs import spec_of
from tests.trees import assert_same

ENVS, GAMMA, CLIP, ALPHA = 3, 0.9, 2.0, 0.6
ACTOR = {"prioritized": True, "initial_priority": "actor"}


class Moody(QPolicy):
    """A policy with random values for every action at every step, which it records."""

    stack = 1

    def __init__(self) -> None:
        self.rng, self.said = np.random.default_rng(5), list[NDArray[np.float32]]()

    def values(self, obs: NDArray[Any], noise: Any = None) -> NDArray[np.float32]:
        self.said.append(self.rng.normal(0, 3, (len(obs), NUM_ACTIONS)).astype(np.float32))
        return self.said[-1]


def start(n_step: int, **changes: Any) -> tuple[Rollout, Moody, ReplayShard]:
    """Return a rollout that explores half of the time, its policy, and an empty shard for it."""
    replay = ReplaySettings(capacity=1000, n_step=n_step, learning_starts=0, **{**ACTOR, **changes})
    judge = actor_priorities(Settings(replay=replay, learner=LearnerSettings(gamma=GAMMA, reward_clip=CLIP)), ENVS)
    env, policy = CodedEnv(ENVS, life_lost_at=(2,)), Moody()
    rollout = Rollout(env, policy, ExplorationSettings(start=0.5, final=0.5), seed=0, priorities=judge)
    return rollout, policy, ReplayShard(replay, lanes=ENVS, spec=spec_of(), stack=1, gamma=GAMMA, seed=0)


def weights(shard: ReplayShard) -> NDArray[np.float64]:
    """Return the sum tree's weights of the rows so far, [lanes, rows]."""
    assert shard.tree is not None
    return shard.tree.get(np.arange(ENVS * shard.rows)).reshape(ENVS, -1)[:, : shard.written[0]]


Row = tuple[bool, bool, float, int, NDArray[np.float32]]  # first, terminal, reward, action, values


def rows_of(chunk: Chunk, said: list[NDArray[np.float32]], lane: int) -> list[Row]:
    """Return the rows of a lane of a chunk, with the policy's values at each row."""
    columns = (getattr(chunk, name)[:, lane].tolist() for name in ("first", "terminal", "reward", "action"))
    return list(zip(*columns, [values[lane] for values in said], strict=True))


def error_of(rows: list[Row], row: int, n_step: int) -> float:
    """Return the absolute n-step TD error of a transition that begins at `row`, step by step."""
    total, discount, now = 0.0, 1.0, row
    while now - row < n_step and not rows[now + 1][0] and discount > 0:
        total += GAMMA ** (now - row) * min(max(rows[now][2], -CLIP), CLIP)
        discount = 0.0 if rows[now][1] else discount * GAMMA
        now += 1
    return abs(total + discount * float(rows[now][4].max()) - float(rows[row][4][rows[row][3]]))


@given(
    turns=st.lists(
        st.tuples(st.integers(1, 9), st.sampled_from(["", "", "", "lost", "restart"])), min_size=2, max_size=9
    ),
    n_step=st.integers(1, 5),
)
@settings(max_examples=25, deadline=None)
def test_rows_enter_with_the_error_of_the_actors_values(turns: list[tuple[int, str]], n_step: int) -> None:
    """Transitions of chunks of any length, also around lost chunks and restarts, enter with their TD error.

    Where the n rows after a transition have a gap, it enters with the highest weight seen.
    """
    rollout, policy, shard = start(n_step)
    pieces: list[list[list[Row]]] = [[[] for _ in range(ENVS)]]  # for each piece without a gap, the rows of each lane
    highest: list[float] = []  # for each row, the highest weight seen when it became eligible
    for time, event in turns:
        policy.said.clear()
        chunk, _ = rollout.collect(time, 0)
        if event == "lost":
            pieces.append([[] for _ in range(ENVS)])
            continue
        seen = shard.max_priority
        shard.add(chunk)
        highest += [seen] * (max(int(shard.written[0]) - n_step, 0) - len(highest))
        for lane in range(ENVS):
            pieces[-1][lane] += rows_of(chunk, policy.said, lane)
        if event == "restart":
            rollout.restart(time)
            pieces.append([[] for _ in range(ENVS)])
    found = weights(shard)
    for lane in range(ENVS):
        row = 0
        for piece in (piece[lane] for piece in pieces):
            for i in range(len(piece)):
                if row < len(highest):
                    whole = i + n_step < len(piece)
                    last = shard.first[lane * shard.rows + row + 1]
                    wanted = (error_of(piece, i, n_step) + 1e-6) ** ALPHA if whole and not last else highest[row]
                    assert found[lane, row] == pytest.approx(0.0 if last else wanted, rel=1e-5), (lane, row)
                row += 1
    assert shard.max_priority == pytest.approx(max(1.0, found.max(initial=0.0)))


def test_a_transition_waits_for_no_chunk_but_that_which_makes_it_whole() -> None:
    """A transition cannot be drawn before the chunk that holds its end, which brings its priority."""
    rollout, _, shard = start(3)
    shard.add(rollout.collect(4, 0)[0])
    assert (weights(shard)[:, 1:] == 0).all()
    shard.add(rollout.collect(4, 0)[0])
    assert (weights(shard)[:, 4] > 0).any()
    assert not np.isin(weights(shard)[:, 1:5], 1.0).any(), "none has the first of all weights"


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), 3e38])
def test_what_a_diverged_actor_says_counts_for_nothing(broken: float) -> None:
    """Values that are not finite or overflow give finite weights and no warning; a wrong shape is an error."""
    rollout, _, shard = start(2)
    chunk = rollout.collect(8, 0)[0]
    assert rollout.priorities is not None
    q = np.full((8, ENVS), broken, np.float32)
    priority = rollout.priorities.of(-q, q, chunk.reward, chunk.terminal, chunk.first)
    shard.add(chunk._replace(priority=priority))
    assert (weights(shard) == 1.0).any()
    assert np.isfinite(weights(shard)).all()
    with pytest.raises(ValueError, match="priority has another shape"):
        shard.add(chunk._replace(priority=priority[1:], life=chunk.life + 1))


def test_only_prioritized_replay_is_told() -> None:
    for changes in ({"initial_priority": "max"}, {"prioritized": False}):
        rollout, *_ = start(2, **changes)
        assert rollout.collect(8, 0)[0].priority is None
    assert (apex().replay.initial_priority, rainbow().replay.initial_priority) == ("actor", "max")
    with pytest.raises(ValueError, match="use one of max, actor"):
        ReplaySettings(initial_priority="best")  # type: ignore[arg-type]


@pytest.mark.parametrize("head", ["scalar", "categorical"])
def test_a_run_goes_on_bit_for_bit(tmp_path: Path, head: str) -> None:
    """A resumed run equals the uninterrupted one; the priorities differ from those of a run without actor values."""
    small = small_settings("CartPole-v1", replay=ACTOR, network={"head": head, "stack": 2})
    run, other = play(SerialLoop(small)), play(SerialLoop(small), 2)
    other.load(run.save(tmp_path))
    assert_same(everything(play(other)), everything(play(run)))
    plain = play(SerialLoop(small_settings("CartPole-v1", replay={"prioritized": True}, network={"head": head})))
    assert not np.array_equal(plain.replay.state()["tree"], run.replay.state()["tree"])
    for each in (run, other, plain):
        each.close()

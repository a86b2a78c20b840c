"""The statistics of a run: C19, C21, C22, C24."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agents.acting.rollout import ChunkStats, Episode
from agents.dqn.run import make_run
from agents.stats import BATCHES, WINDOW, RunStats
from agents.updates import UpdateStats
from tests.small_run import small_settings
from training.storage import checkpoint


def games(count: int, score: float, epsilon: float) -> list[Episode]:
    """Return `count` equal episodes."""
    return [Episode(score, 50, 199, 0, epsilon)] * count


def chunk_stats(episodes: list[Episode], steps: int = 100, frames: int = 398) -> ChunkStats:
    """Return the statistics of a chunk with these games."""
    return ChunkStats(steps, frames, episodes, 1.5, 0.2, 0.1)


def test_c22_exploring_lanes_never_count_for_the_score() -> None:
    """C22: the score is the mean of a full window of games of the greediest lanes only."""
    stats = RunStats()
    stats.add_chunk(chunk_stats(games(100, 21.0, 0.1)), greedy_epsilon=0.02)
    assert stats.score() is None
    stats.add_chunk(chunk_stats(games(WINDOW - 1, 3.0, 0.02)), greedy_epsilon=0.02)
    assert stats.score() is None
    stats.add_chunk(chunk_stats(games(1, 3.0, 0.001)), greedy_epsilon=0.02)
    assert stats.score() == pytest.approx(3.0)
    stats.add_chunk(chunk_stats(games(WINDOW // 2, 5.0, 0.01)), greedy_epsilon=0.02)
    assert stats.score() == pytest.approx(4.0, abs=0.1), "old games leave the window"


def test_a_goal_is_reached_by_training_games_or_by_an_evaluation() -> None:
    """A goal is reached by the training score or the newest evaluation; a checkpoint keeps no evaluation."""
    stats = RunStats()
    assert not stats.reached(10.0)
    stats.add_chunk(chunk_stats(games(WINDOW, 9.0, 0.01)), greedy_epsilon=0.02)
    assert not stats.reached(10.0)
    assert stats.reached(9.0)
    stats.add_evaluation(400, {"mean": 11.0})
    assert stats.reached(10.0)
    assert not stats.reached(None)
    stats.add_evaluation(800, {"mean": 9.5})
    assert not stats.reached(10.0)
    assert [steps for steps, _ in stats.evaluations] == [400, 800]
    stats.add_evaluation(1_200, {"mean": 12.0})
    stats.load_state(stats.state())
    assert not stats.reached(10.0)


def test_c22_the_two_training_scores_have_two_names() -> None:
    """C21, C22: the scores of all lanes and of low epsilon are reported apart, under `score_while_training`."""
    stats = RunStats()
    stats.add_chunk(chunk_stats([*games(10, -20.0, 0.5), *games(10, 4.0, 0.01)]), greedy_epsilon=0.02)
    scalars = stats.read()
    assert scalars["score_while_training/all_lanes"] == pytest.approx(-8.0)
    assert scalars["score_while_training/low_epsilon"] == pytest.approx(4.0)
    assert scalars["episode_steps/all_lanes"] == 50.0
    assert "learner/loss" not in scalars


def test_c24_steps_and_frames_are_counted_apart() -> None:
    stats = RunStats()
    for _ in range(3):
        stats.add_chunk(chunk_stats(games(2, 1.0, 1.0)), 0.02)
    assert (stats.agent_steps, stats.frames, stats.episodes) == (300, 1194, 6)


def test_c19_the_age_of_samples_is_counted_in_updates() -> None:
    """C19: learner version minus the version that acted, averaged over the batch."""
    stats = RunStats(updates=100)
    scalars = {"loss": 0.5, "q_mean": 2.0}
    stats.add_updates(
        UpdateStats(10, scalars, version=np.array([30, 50], np.int32), sample_seconds=2.0, update_seconds=4.0)
    )
    read = stats.read()
    assert stats.updates == 110
    assert read["replay/age_in_updates"] == pytest.approx(70.0)
    assert (read["learner/loss"], read["learner/q_mean"]) == (0.5, 2.0)
    assert (read["seconds_per_update/sample"], read["seconds_per_update/update"]) == (0.2, 0.4)


def test_distributions_gather_the_newest_batches() -> None:
    """The single values of the newest batches, up to a limit, are returned once, for histograms."""
    stats = RunStats()
    for index in range(BATCHES + 3):
        values = np.full(2, index, np.float32)
        stats.add_updates(
            UpdateStats(1, {}, {"q_of_actions_taken": values, "td_error": -values}, np.zeros(2, np.int32))
        )
    found = stats.distributions()
    newest = np.arange(3, BATCHES + 3).repeat(2)
    np.testing.assert_array_equal(found["q_of_actions_taken"], newest)
    np.testing.assert_array_equal(found["td_error"], -newest)
    np.testing.assert_array_equal(found["replay_age_in_updates"], newest + 1)
    assert stats.distributions() == {}


def test_a_turn_without_updates_reports_none() -> None:
    stats = RunStats()
    stats.add_updates(UpdateStats(0))
    assert (stats.updates, stats.read()) == (0, {})


def test_scalars_are_means_since_the_last_read() -> None:
    stats = RunStats()
    for value in (1.0, 2.0, 6.0):
        stats.note("a", value)
    assert stats.read()["a"] == pytest.approx(3.0)
    stats.note("a", 7.0)
    assert stats.read()["a"] == 7.0
    assert "a" not in stats.read()


def test_c26_counters_and_recent_games_come_back(tmp_path: Path) -> None:
    """A checkpoint restores counters and recent games; an older one without games restores the counters alone."""
    stats, fresh = RunStats(seconds=12.5), RunStats()
    stats.add_chunk(chunk_stats([*games(1, -4.0, 0.5), *games(WINDOW, 3.0, 0.0)]), 0.02)
    stats.add_updates(UpdateStats(4))
    fresh.add_chunk(chunk_stats(games(WINDOW, 9.0, 0.0)), 0.02)
    checkpoint.save(tmp_path / "saved", stats.state())
    saved = checkpoint.load(tmp_path / "saved")
    fresh.load_state(saved)
    assert fresh.state() == stats.state()
    assert (fresh.recent, fresh.greedy, fresh.score()) == (stats.recent, stats.greedy, 3.0)
    counters = {"agent_steps": 100, "frames": 398, "updates": 4, "episodes": WINDOW + 1, "seconds": 12.5}
    assert counters.items() < saved.items()
    fresh.load_state(counters)
    assert (len(fresh.recent), fresh.score()) == (0, None)


def test_evaluations_beside_training_are_shown_once(tmp_path: Path) -> None:
    """Each evaluation is recorded once, at its own agent steps; the newest is in the curve's row."""
    settings = small_settings("CartPole-v1")
    run = make_run(settings, settings, tmp_path)
    run.loop.stats.add_evaluation(40, {"mean": 3.0})
    run.loop.stats.add_evaluation(80, {"mean": 4.0})
    *judged, newest = run.records()
    found = [(record.at, record.scalars) for record in judged]
    assert found == [(40, {"evaluation/score_mean": 3.0}), (80, {"evaluation/score_mean": 4.0})]
    assert newest.row is not None
    assert (newest.row["evaluation"], newest.row["evaluation_steps"]) == (4.0, 80)
    (later,) = run.records()
    assert later.row is not None
    assert later.row["evaluation"] is None
    run.close()

"""A league: how often members are met, the effect of results, and that a mixture of the past is hard to exploit."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.selfplay.league import EXPLOITER, SNAPSHOT, League
from agents.selfplay.opponents import LATEST, RATINGS, RESULTS
from agents.selfplay.ratings import intransitive, mixture
from agents.selfplay.settings import LeagueSettings
from envs.duel import ROUNDS
from tests.exact_values import Strategy, best_response, points_between
from tests.trees import assert_same
from training.arrays import Arrays

NONE: Arrays = {"table": np.zeros(1)}


def league_of(folder: Path, names: dict[str, str], **settings: Any) -> League:
    """Return a league with a learner and members of the given names and kinds."""
    league = League(LeagueSettings(**settings), folder)
    for at, (name, kind) in enumerate(names.items(), 1):
        league.freeze(name, kind, at, NONE)
    league.renew(100, NONE)
    return league


def play(league: League, name: str, *points: float) -> None:
    """Record results of the learner's games against a member."""
    (league.folder / RESULTS).mkdir(exist_ok=True)
    with (league.folder / RESULTS / "some.tsv").open("a") as out:
        out.write("".join(f"{name}\t{one}\n" for one in points))


def test_shares_and_how_hard_members_are_decide_who_is_met(tmp_path: Path) -> None:
    league = league_of(
        tmp_path, {"a": SNAPSHOT, "b": SNAPSHOT, "x": EXPLOITER}, snapshots=0.6, exploiters=0.1, power=2.0
    )
    play(league, "a", 3, 1, -2, 5, 0, 1, 1, 1)  # 6.5 points of 8
    assert league.count() == 8
    rate = (6.5 + 1) / (8 + 2)
    hard, even = (1 - rate) ** 2, (1 - 0.5) ** 2
    expected = {LATEST: 0.3, "a": 0.6 * hard / (hard + even), "b": 0.6 * even / (hard + even), "x": 0.1}
    assert league.draw() == pytest.approx(expected)
    league.write()
    written = json.loads((tmp_path / RATINGS).read_text())
    assert written["draw"] == pytest.approx(expected)
    assert [member["win_rate"] for member in written["members"]] == pytest.approx([rate, 0.5, 0.5])


def test_a_share_without_members_is_played_against_the_newest(tmp_path: Path) -> None:
    assert League(LeagueSettings(), tmp_path / "empty").draw() == {}
    assert league_of(tmp_path / "alone", {}, snapshots=0.7, exploiters=0.3).draw() == {LATEST: 1.0}
    naive = league_of(tmp_path / "naive", {"a": SNAPSHOT}, snapshots=0.0)
    assert naive.draw() == {LATEST: 1.0}


def test_half_a_line_is_counted_once_it_is_whole(tmp_path: Path) -> None:
    league = league_of(tmp_path, {"a": SNAPSHOT})
    play(league, "a", 1)
    file = tmp_path / RESULTS / "some.tsv"
    file.write_text(file.read_text() + "a\t-")
    assert league.count() == 1
    file.write_text(file.read_text() + "2.0\nlatest\t1.0\n")
    assert league.count() == 2
    assert league.count() == 0
    assert (league.members["a"].points, league.members["a"].games) == (1.0, 2.0)


def test_a_snapshot_takes_the_results_along_and_they_fade(tmp_path: Path) -> None:
    league = league_of(tmp_path, {"a": SNAPSHOT})
    play(league, "a", 1, 1, 1, -1)
    league.count()
    league.freeze("b", SNAPSHOT, 9, NONE)
    assert league.members["b"].beaten == {"a": [3.0, 4.0]}
    assert (league.members["a"].points, league.members["a"].games) == (1.5, 2.0)
    rated = league.elo()
    assert rated["a"] == 0.0
    assert rated["b"] == pytest.approx(400 * np.log10(3.05 / 1.05))


def test_the_easiest_member_makes_room(tmp_path: Path) -> None:
    league = league_of(tmp_path, {"a": SNAPSHOT, "b": SNAPSHOT}, size=2)
    play(league, "b", 1, 1)
    league.count()
    league.freeze("c", SNAPSHOT, 9, NONE)
    assert {*league.members} == {"a", "c"}
    assert {*league.weights} == {"a", "c", LATEST}


def test_a_smaller_league_than_the_saved_one_drops_the_easiest_members(tmp_path: Path) -> None:
    saved = league_of(tmp_path / "saved", {"a": SNAPSHOT, "b": SNAPSHOT, "c": SNAPSHOT, "d": SNAPSHOT})
    play(saved, "b", 1, 1)
    play(saved, "d", 1)
    saved.count()
    league = League(LeagueSettings(size=3), tmp_path / "smaller")
    league.load_state(saved.state())
    league.freeze("e", EXPLOITER, 5, NONE)
    assert [*league.members] == ["a", "c", "e"]
    assert league.weights.keys() == {"a", "c", "e", LATEST}


def test_ratings_go_on_where_the_first_member_makes_room(tmp_path: Path) -> None:
    """The origin of the ratings is kept: the second member's rating stays after the first has left."""
    league = league_of(tmp_path, {"a": SNAPSHOT}, size=2)
    play(league, "a", 1, 1, 1)
    league.count()
    league.freeze("b", SNAPSHOT, 9, NONE)
    better = league.elo()["b"]
    assert better > 100
    play(league, "a", 1, 1, 1)
    play(league, "b", -1)
    league.count()
    league.freeze("c", SNAPSHOT, 18, NONE)
    assert {*league.members} == {"b", "c"}
    rated = league.elo()
    assert rated["b"] == pytest.approx(better)
    assert rated["c"] == pytest.approx(better + 400 * np.log10(0.05 / 1.05))
    league.load_state(league.state())
    assert league.elo() == rated


def test_a_state_is_taken_over_with_its_folder(tmp_path: Path) -> None:
    one = league_of(tmp_path / "one", {"a": SNAPSHOT, "x": EXPLOITER}, exploiters=0.5)
    play(one, "a", 1, -1, 1)
    one.count()
    one.write()
    other = league_of(tmp_path / "other", {"gone": SNAPSHOT}, exploiters=0.5)
    play(other, "gone", 1)
    other.load_state(one.state())
    assert_same(other.state(), one.state())
    assert other.count() == 0
    assert (tmp_path / "other" / RATINGS).read_text() == (tmp_path / "one" / RATINGS).read_text()
    assert (tmp_path / "other" / "a.npz").exists()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"snapshots": 0.8, "exploiters": 0.3}, "shares of all games"),
        ({"exploit_every": 10_000}, "at least league.exploit_steps"),
        ({"snapshot_every": 0}, "league.snapshot_every is 0"),
        ({"size": 1}, "league.size is 1"),
        ({"epsilon": 1.5}, "league.epsilon"),
    ],
)
def test_impossible_settings_are_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        LeagueSettings(**values)


def best_responses(folder: Path, turns: int, **settings: Any) -> list[Strategy]:
    """Return the strategies of a learner that best-responds to the league's draw and is frozen at every turn."""
    league = League(LeagueSettings(size=100, **settings), folder)
    rock: Strategy = np.eye(3)[np.zeros((ROUNDS, 3, 3), np.int64)]
    learned = [rock]
    for turn in range(turns):
        table = {"table": learned[-1]}
        league.renew(turn, table)
        for name in league.members:
            play(league, name, *[points_between(learned[-1], league.weights[name]["table"])] * 20)
        league.count()
        league.freeze(f"{turn:03d}", SNAPSHOT, turn, table)
        draw = league.draw()
        members = [league.weights[name]["table"] for name in draw]
        learned.append(best_response(members, np.array([*draw.values()]))[1])
    return learned


def payoff_of(strategies: list[Strategy]) -> np.ndarray:
    """Return the points a game between all strategies."""
    return np.array([[points_between(one, other) for other in strategies] for one in strategies])


def test_naive_self_play_goes_round_and_the_mixture_of_a_league_is_hard_to_exploit(tmp_path: Path) -> None:
    """Best responses and exploitability are exact, by enumeration of all games; 4 points is the largest loss."""
    naive = best_responses(tmp_path / "naive", 30, snapshots=0.0)
    league = best_responses(tmp_path / "league", 30, snapshots=0.8)
    assert all(points_between(newer, older) > 0 for older, newer in pairwise(naive))
    repeats = Counter(one.tobytes() for one in naive)
    assert max(repeats.values()) > 2, "it comes back to where it was"
    assert intransitive(payoff_of(naive) > 0) > intransitive(payoff_of(league) > 0)

    def exploitability(strategies: list[Strategy]) -> float:
        return best_response(strategies, mixture(payoff_of(strategies)))[0]

    assert best_response(naive[-1:], np.ones(1))[0] >= 2.0
    assert exploitability(naive) > 1.5, "not even all of its past together is safe"
    assert exploitability(league) < 0.75

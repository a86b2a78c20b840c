"""The folder shared by a league and its players: drawn opponents, reported results and removal of old weights."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from agents.parts import make_policy
from agents.selfplay import opponents
from agents.selfplay.league import SNAPSHOT, League
from agents.selfplay.opponents import LATEST, LeagueOpponents, read_weights, write_alone
from agents.selfplay.presets import toy_duel
from agents.selfplay.settings import LeagueSettings, SelfPlaySettings
from envs.duel import Duel
from training.arrays import Arrays, arrays_of
from training.settings import changed

SPEC = Duel(1).spec
NONE: Arrays = {"table": np.zeros(1)}


def test_opponents_are_drawn_as_the_league_says_and_their_results_come_back(tmp_path: Path) -> None:
    settings = changed(toy_duel(), {"league.epsilon": 0.0})
    league = League(settings.league, tmp_path)
    fixed = {}
    for name, choice in (("a", 0), ("b", 2)):
        weights = arrays_of(make_policy(settings, SPEC).network)
        fixed[name] = {key: np.zeros_like(value) for key, value in weights.items()}
        fixed[name]["advantage.bias"][choice] = 1.0
        league.freeze(name, SNAPSHOT, choice, fixed[name])
    league.renew(5, fixed["a"])  # rock: 0.2 of the games as the latest policy, and half of the rest as member a
    opponents, envs = LeagueOpponents(tmp_path, settings, SPEC), 400
    opponents.start(0, envs)
    frame, first = np.zeros((envs, *SPEC.frame_shape), np.float32), np.ones(envs, np.bool_)
    action = opponents.answer(frame, first)
    share = Counter(action.tolist())
    assert set(share) == {0, 2}
    assert share[2] / envs == pytest.approx(0.4, abs=0.08)
    assert (opponents.answer(frame, ~first) == action).all(), "an opponent stays for the game"
    opponents.over(int(np.flatnonzero(action == 2)[0]), -3.0)
    opponents.answer(frame, ~first)
    assert league.count() == 1
    assert (league.members["b"].points, league.members["b"].games) == (0.0, 1.0)
    league.renew(6, fixed["b"])
    league.freeze("c", SNAPSHOT, 7, fixed["b"])
    again = opponents.answer(frame, first)
    assert (again == 2).mean() > 0.6, "newer weights and members are taken over"


def test_before_there_is_a_policy_opponents_play_at_random(tmp_path: Path) -> None:
    League(LeagueSettings(), tmp_path)
    opponents = LeagueOpponents(tmp_path, toy_duel(), SPEC)
    opponents.start(0, 60)
    action = opponents.answer(np.zeros((60, *SPEC.frame_shape), np.float32), np.ones(60, np.bool_))
    assert set(action.tolist()) == {0, 1, 2}


def test_a_folder_that_is_no_league_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no league in .*: put --run-dir on storage that every node sees"):
        LeagueOpponents(tmp_path, toy_duel(), SPEC)
    write_alone(tmp_path / "one", "victim", NONE)
    LeagueOpponents(tmp_path / "one", toy_duel(), SPEC)


def names_in(folder: Path) -> set[str]:
    """Return the names of the weights in the folder."""
    return {file.stem for file in folder.glob("*.npz")}


def test_weights_of_a_member_that_made_room_go_with_the_next_one(tmp_path: Path) -> None:
    """A removed member's weights stay until the next freeze; those left by a killed process are deleted."""
    opponents.write_weights(tmp_path, "killed", NONE)
    league = League(LeagueSettings(size=2), tmp_path)
    league.renew(0, NONE)
    for turn in range(8):
        before = {*league.members}
        league.freeze(f"{turn}", SNAPSHOT, turn, NONE)
        assert names_in(tmp_path) == {*league.members, *before, LATEST}
    state = league.state()
    league.freeze("beyond", SNAPSHOT, 8, NONE)
    league.load_state(state)
    assert {"beyond", LATEST, *state["members"]} <= names_in(tmp_path)
    league.freeze("8", SNAPSHOT, 8, NONE)
    assert names_in(tmp_path) == {*state["members"], "8", LATEST}


def settings_and_weights() -> tuple[SelfPlaySettings, Arrays]:
    """Return the settings of a small league and the weights of a fitting policy."""
    settings = changed(toy_duel(), {"league.size": 2})
    return settings, arrays_of(make_policy(settings, SPEC).network)


def test_a_member_that_makes_room_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a member's weights are deleted while they are being read, the reader reads the league again."""
    settings, weights = settings_and_weights()
    league = League(settings.league, tmp_path)
    league.renew(0, weights)
    for turn in range(2):
        league.freeze(f"{turn}", SNAPSHOT, turn, weights)
    left = [*league.members]

    def read_late(folder: Path, name: str) -> Arrays:
        for turn in range(2, 5):
            if left:
                league.freeze(f"{turn}", SNAPSHOT, turn, weights)
        left.clear()
        return read_weights(folder, name)

    monkeypatch.setattr(opponents, "read_weights", read_late)
    met = LeagueOpponents(tmp_path, settings, SPEC)
    met.start(0, 4)
    met.answer(np.zeros((4, *SPEC.frame_shape), np.float32), np.ones(4, np.bool_))
    assert {*met.names} == {*met.policies} == {*league.members, LATEST}
    assert {*league.members} == {"3", "4"}


def test_weights_that_are_missing_without_a_reason_are_an_error(tmp_path: Path) -> None:
    settings, weights = settings_and_weights()
    league = League(settings.league, tmp_path)
    league.renew(0, weights)
    (tmp_path / f"{LATEST}.npz").unlink()
    met = LeagueOpponents(tmp_path, settings, SPEC)
    met.start(0, 4)
    with pytest.raises(FileNotFoundError):
        met.answer(np.zeros((4, *SPEC.frame_shape), np.float32), np.ones(4, np.bool_))

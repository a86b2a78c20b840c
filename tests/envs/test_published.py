"""Published curves and scores, as read from their files."""

from __future__ import annotations

import pytest

from envs.published import CURVES_ARE, published_curves, published_scores
from envs.scores import reference_scores


@pytest.mark.parametrize("spelling", ["ALE/Pong-v5", "Pong", "pong"])
def test_curves_by_any_spelling(spelling: str) -> None:
    curves = {curve.agent: curve for curve in published_curves(spelling)}
    assert curves.keys() == {"DQN", "C51", "QR-DQN", "IQN", "Rainbow"}
    assert (curves["DQN"].at(1e6), curves["DQN"].at(200e6)) == (-20.19, 19.52)
    assert curves["Rainbow"].at(7e6) == pytest.approx(-9.67 + (12.37 + 9.67) / 4), "between 6M and 10M frames"
    assert curves["DQN"].at(0.9e6) is None
    assert curves["DQN"].at(201e6) is None


def test_games_whose_names_are_written_otherwise() -> None:
    assert published_curves("ALE/SpaceInvaders-v5")
    assert published_curves("beam_rider")
    assert all((curve.frames[1:] > curve.frames[:-1]).all() for curve in published_curves("ms_pacman"))


@pytest.mark.parametrize("env", ["toy/catch", "CartPole-v1", "alien"])
def test_nothing_is_known_of_other_envs(env: str) -> None:
    assert published_curves(env) == []
    assert published_scores(env) == []


def test_scores_of_the_seven_games_say_what_they_are() -> None:
    for game in ("beam_rider", "breakout", "enduro", "pong", "qbert", "seaquest", "space_invaders"):
        scores = {score.system: score for score in published_scores(game)}
        assert len(scores) >= 9
        assert all(
            score.source and score.protocol in ("no-op starts", "sticky actions 0.25") for score in scores.values()
        )
        random, human = (float(scores[f"{who} (normaliser)"].score) for who in ("random", "human"))
        assert (random, human) == reference_scores()[game]
    second_hand = next(score for score in published_scores("pong") if score.system == "DQN 2013")
    assert (second_hand.score, second_hand.frames) == ("~20", None)
    assert "sticky" in CURVES_ARE
    assert "training" in CURVES_ARE

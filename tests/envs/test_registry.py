"""Env names: the envs they make, and errors for unknown names."""

from __future__ import annotations

import gymnasium
import pytest

from envs import AtariEnv, EnvSettings, atari_games, machado, make_env
from envs.toy import Chain, PixelCatch
from envs.vector import GymnasiumEnv


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ALE/Pong-v5", AtariEnv),
        ("pong", AtariEnv),
        ("toy/catch", PixelCatch),
        ("toy/chain", Chain),
        ("CartPole-v1", GymnasiumEnv),
        ("Taxi-v3", GymnasiumEnv),
    ],
)
def test_names(name: str, kind: type) -> None:
    env = make_env(EnvSettings(id=name), 2)
    assert type(env) is kind
    assert env.num_envs == 2
    env.close()


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("Pongg", "ALE/Pong-v5"),
        ("ALE/Spaceinvader-v5", "ALE/SpaceInvaders-v5"),
        ("PongNoFrameskip-v4", "ALE/Pong-v5"),
        ("BreakoutDeterministic-v4", "ALE/Breakout-v5"),
        ("Pong-v4", "ALE/Pong-v5"),
        ("ALE/Pong-ram-v5", "ALE/Pong-v5"),
        ("Cartpole-v1", "CartPole-v1"),
        ("toy/cach", "toy/catch"),
    ],
)
def test_a_near_name_is_answered_with_the_right_one(wrong: str, right: str) -> None:
    with pytest.raises(ValueError, match=f"did you mean {right}[? ]") as error:
        make_env(EnvSettings(id=wrong), 1)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["qqqqqq", "no/such/environment"])
def test_an_unknown_name_is_answered_with_where_to_look(name: str) -> None:
    with pytest.raises(
        ValueError, match=r"^no environment is called .*atari_games\(\) and gymnasium.registry"
    ) as error:
        make_env(EnvSettings(id=name), 1)
    assert "\n" not in str(error.value)


def test_the_hint_for_an_atari_game_is_an_id_that_gymnasium_knows_too() -> None:
    for game in atari_games():
        with pytest.raises(ValueError, match="did you mean ALE/") as error:
            make_env(EnvSettings(id=f"ale/{game}-v4"), 1)
        assert str(error.value).split("did you mean ")[1].split("-v5")[0] + "-v5" in gymnasium.registry


@pytest.mark.parametrize("name", ["CartPole-v1", "toy/catch"])
def test_atari_rules_are_refused_elsewhere(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is no Atari game"):
        make_env(machado(name), 1)


@pytest.mark.parametrize("name", ["pong", "toy/catch", "CartPole-v1"])
def test_at_least_one_env(name: str) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        make_env(EnvSettings(id=name), 0)

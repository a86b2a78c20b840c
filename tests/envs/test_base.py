"""Env settings: refused values, and the rules of the two protocols."""

from __future__ import annotations

from typing import Any

import pytest

from envs import EnvSettings, classic, machado


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("id", " "),
        ("sticky", -0.1),
        ("sticky", 1.0),
        ("sticky", float("nan")),
        ("noop_max", -1),
        ("frame_skip", 0),
        ("frame_cap", 3),
        ("frame_cap", 2**31),
    ],
)
def test_an_impossible_setting_is_refused_by_name(option: str, value: Any) -> None:
    said = {"id": "env"}.get(option, option)
    with pytest.raises(ValueError, match=rf"^{said} is .*: ") as error:
        EnvSettings(**{option: value})
    assert "\n" not in str(error.value)


def test_the_classic_protocol() -> None:
    assert classic("pong") == EnvSettings(
        id="pong",
        sticky=0.0,
        life_signal=False,
        noop_max=30,
        fire_reset=True,
        full_actions=False,
        frame_skip=4,
        frame_cap=108_000,
    )


def test_the_protocol_of_machado() -> None:
    assert machado("pong") == EnvSettings(
        id="pong",
        sticky=0.25,
        life_signal=False,
        noop_max=0,
        fire_reset=False,
        full_actions=True,
        frame_skip=4,
        frame_cap=108_000,
    )

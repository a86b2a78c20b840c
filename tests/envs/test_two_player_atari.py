"""Two-player Atari: pixels equal to ale-py's, both players' views, and the emulator's games."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import ale_py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from envs import AtariEnv, EnvSettings, make_env
from envs.area import Area
from envs.atari import atari_games
from envs.registry import make_two_player_env
from envs.two_player_atari import GAMES, ONLY_FOR_TWO, TwoPlayerAtari, two_player_game
from envs.views import MARK, both_views
from tests.games_for_two import needs_two

PLAIN = EnvSettings(id="pong", noop_max=0, fire_reset=False)
NOOP, UP, DOWN = 0, 2, 3
MODES = {"pong": (3, 6), "joust": (1, 18), "warlords": (1, 6)}  # mode and actions
FIELD, LEFT, RIGHT = slice(14, 77), slice(8, 11), slice(73, 76)  # of a frame: rows of the field, columns of the paddles


def slow_area(screen: NDArray[np.uint8], side: int) -> NDArray[np.float64]:
    """Return the means over areas, with pixels split so that both sizes are whole numbers of parts."""
    rows = screen.repeat(side, axis=0).reshape(side, screen.shape[0], -1).mean(1)
    return np.asarray(rows.repeat(side, axis=1).reshape(side, side, screen.shape[1]).mean(2))


@settings(max_examples=10, deadline=None)
@given(st.sampled_from([(210, 160), (250, 160), (256, 160), (84, 84)]), st.sampled_from([84, 40]), st.integers(0, 99))
def test_frames_are_means_over_areas(shape: tuple[int, int], side: int, seed: int) -> None:
    screens = np.random.default_rng(seed).integers(256, size=(2, *shape), dtype=np.uint8)
    found = Area(*shape, side)(screens)
    for screen, frame in zip(screens, found, strict=True):
        np.testing.assert_allclose(frame, slow_area(screen, side), atol=0.501)


def test_pong_is_mirrored_for_player_b_and_other_games_are_marked() -> None:
    frames = np.random.default_rng(0).integers(256, size=(3, 84, 84), dtype=np.uint8)
    pong, joust = both_views("pong", frames), both_views("joust", frames)
    np.testing.assert_array_equal(pong[:, 0], frames)
    np.testing.assert_array_equal(pong[:, 1, :, ::-1], frames)
    assert (joust[:, 0, :MARK, :MARK] == 0).all()
    assert (joust[:, 1, :MARK, :MARK] == 255).all()
    for player in (0, 1):
        np.testing.assert_array_equal(joust[:, player, MARK:], frames[:, MARK:])


def test_names() -> None:
    assert {two_player_game(name) for name in ("duel/joust", "ALE/Joust-v5", "Joust", "joust")} == {"joust"}
    assert two_player_game("duel/WizardOfWor") == "wizard_of_wor"
    assert two_player_game("breakout") is None
    assert set(ONLY_FOR_TWO) & set(atari_games()) == set()
    assert set(GAMES) - set(ONLY_FOR_TWO) <= set(atari_games())


@pytest.mark.parametrize("game", [*ONLY_FOR_TWO, "ALE/MazeCraze-v5"])
def test_games_for_two_are_refused_for_one(game: str) -> None:
    with pytest.raises(ValueError, match=f"^{game} is a game for two: duel/.* --env duel/") as refused:
        make_env(EnvSettings(id=game), 1)
    assert "\n" not in str(refused.value)


def test_without_the_emulator_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "multi_agent_ale_py", None)
    with pytest.raises(ValueError, match=r"^pong for two needs .*: \.venv/bin/.* '\.\[selfplay\]'$"):
        make_two_player_env(PLAIN, 1)


@needs_two
def test_what_it_cannot_play_is_refused() -> None:
    for settings_, words in (
        (EnvSettings(id="breakout"), "no Atari game for two"),
        (life_signal(), "life_signal"),
        (EnvSettings(id="pong", flicker=0.5), "leave flicker out"),
    ):
        with pytest.raises(ValueError, match=words):
            make_two_player_env(settings_, 1)


def life_signal() -> EnvSettings:
    """Return settings that two-player games do not support."""
    return EnvSettings(id="pong", life_signal=True)


@needs_two
@pytest.mark.parametrize("game", GAMES)
def test_every_game_is_played_in_its_first_mode_for_two(game: str) -> None:
    """Under random actions, both players' frames change, and frames and rewards have the right shapes."""
    env, rng = TwoPlayerAtari(EnvSettings(id=f"duel/{game}"), 1), np.random.default_rng(0)
    if game in MODES:
        assert (env.protocol["mode"], env.spec.num_actions) == MODES[game]
    first = env.reset(0).frame.copy()
    steps = [env.step(rng.integers(env.spec.num_actions, size=(1, 2))) for _ in range(60)]
    assert {(step.frame.shape, step.reward.shape) for step in steps} == {((1, 2, 84, 84), (1, 2))}
    assert all((np.stack([step.frame[0, side] for step in steps]) != first[0, side]).any() for side in (0, 1))
    env.close()


@needs_two
def test_pixels_are_those_of_ale_py() -> None:
    """Both emulators give the same frames of Pong in its one-player mode."""
    from multi_agent_ale_py import ALEInterface

    ALEInterface.setLoggerMode("error")
    ours, area = ALEInterface(), Area(210, 160, 84)
    ours.setFloat("repeat_action_probability", 0.0)
    ours.loadROM(str(Path(ale_py.__file__).parent / "roms" / "pong.bin"))
    ours.reset_game()
    theirs, rng = AtariEnv(dataclasses.replace(PLAIN, frame_skip=2), 1), np.random.default_rng(0)
    theirs.reset(0)
    theirs.step(np.array([NOOP]))  # ale-py's game begins two frames later
    moved = 0
    for _ in range(120):
        action, screens = int(rng.integers(6)), []
        for _ in range(2):
            ours.act(int(ours.getMinimalActionSet()[action]))
            screens.append(ours.getScreenGrayscale()[..., 0])
        frame, expected = area(np.maximum(*screens)[None])[0], theirs.step(np.array([action])).frame[0]
        np.testing.assert_allclose(frame.astype(int), expected.astype(int), atol=1)
        moved += int(len(np.unique(expected)) > 3)
    assert moved > 10, "nothing but the field was seen"
    theirs.close()


def moved_paddles(env: TwoPlayerAtari, pair: list[int]) -> dict[tuple[int, str], float]:
    """Return how far each paddle moves upwards in both views, in rows."""
    start = env.reset(0)
    for _ in range(12):
        start = env.step(np.array([[NOOP, NOOP]]))
    end = start
    for _ in range(3):
        end = env.step(np.array([pair]))

    def height(frame: NDArray[np.uint8], columns: slice) -> float:
        strip = frame[FIELD, columns].astype(int)
        return float(np.flatnonzero((strip > 100).any(1)).mean())

    both = {(player, name): at for player in (0, 1) for name, at in (("left", LEFT), ("right", RIGHT))}
    return {
        (player, name): height(start.frame[0, player], at) - height(end.frame[0, player], at)
        for (player, name), at in both.items()
    }


@needs_two
def test_both_players_see_their_own_paddle_on_the_right_and_up_is_up() -> None:
    env = TwoPlayerAtari(PLAIN, 1)
    for player in (0, 1):
        for action, sign in ((UP, 1), (DOWN, -1)):
            pair = [NOOP, NOOP]
            pair[player] = action
            moved = moved_paddles(env, pair)
            assert sign * moved[player, "right"] > 5
            assert sign * moved[1 - player, "left"] > 5
            assert moved[player, "left"] == moved[1 - player, "right"] == 0
    env.close()


def played(kinds: str, seed: int, steps: int) -> tuple[NDArray[np.float32], bool]:
    """Play "n"o-ops or "r"andom actions; return both players' points, and whether the game ended."""
    env, rng = TwoPlayerAtari(PLAIN, 1), np.random.default_rng(seed)
    env.reset(0)
    won = np.zeros(2, np.float32)
    for _ in range(steps):
        pair = [int(rng.integers(6)) if kind == "r" else NOOP for kind in kinds]
        step = env.step(np.array([pair]))
        won += step.reward[0]
        if step.terminated[0]:
            return won, True
    return won, False


@needs_two
def test_who_moves_at_random_beats_who_does_not_move() -> None:
    """A random player wins 21 to 0 against a paddle that stands still."""
    won, over = played("rn", 0, 1_500)
    assert over
    assert won.tolist() == [21, -21]


@needs_two
def test_who_does_not_serve_loses_points_that_nobody_wins() -> None:
    won, over = played("nn", 0, 300)
    assert not over
    assert won.max() <= 0
    assert won.sum() < -5


@needs_two
@pytest.mark.parametrize("sticky", [0.0, 0.25])
def test_the_same_seed_plays_the_same_game_also_in_a_used_env(sticky: float) -> None:
    rules = EnvSettings(id="pong", sticky=sticky, frame_cap=200)

    def steps_of(env: TwoPlayerAtari, seed: int) -> list[Any]:
        rng = np.random.default_rng(0)
        steps = [env.reset(seed), *(env.step(rng.integers(6, size=(2, 2))) for _ in range(70))]
        assert any(step.truncated.any() for step in steps)
        return [np.stack(field) for field in zip(*steps, strict=True)]

    one, other = TwoPlayerAtari(rules, 2), TwoPlayerAtari(rules, 2)
    expected = steps_of(one, 5)
    different = steps_of(other, 6)
    for field, again in zip(expected, steps_of(other, 5), strict=True):
        np.testing.assert_array_equal(field, again)
    assert not np.array_equal(expected[0], different[0])

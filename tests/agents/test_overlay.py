"""The panel of action values beside the screen."""

from __future__ import annotations

import numpy as np
import pytest

from agents.playback.game import PlayedStep
from agents.playback.overlay import Panel


def moment(q: list[float], action: int) -> PlayedStep:
    """Return a played step with a gray screen."""
    values = np.array(q, np.float32)
    return PlayedStep(np.full((84, 84, 3), 90, np.uint8), np.zeros(1), values, action, 3.0, False)


def test_bars_are_as_long_as_an_action_is_better() -> None:
    """The best action has the longest bar, the worst has none, and the chosen action's has another colour."""
    panel = Panel(["noop", "fire", "left"])
    drawn = panel.beside(moment([1.0, 2.0, 1.5], 1))
    assert drawn.shape == (420, 420 + 220, 3)
    assert (drawn[:, :420] == 90).all()
    bars = drawn[48 : 48 + 3 * 22, 420 + 108 :].astype(int)
    lengths = [int((bars[22 * a + 11].max(1) > 60).sum()) for a in range(3)]
    assert lengths[1] > 100
    assert lengths[0] <= 3
    assert lengths[2] == pytest.approx(lengths[1] / 2, abs=3)
    chosen, other = bars[22 + 11, 4], bars[44 + 11, 4]
    assert chosen[0] > chosen[2]
    assert other[2] > other[0]
    again = panel.beside(moment([1.0, 1.5, 1.0], 1))[48 + 33, 420 + 108 :].astype(int)
    assert int((again.max(1) > 60).sum()) == pytest.approx(lengths[1] / 2, abs=3), "the scale stays"


@pytest.mark.parametrize(("actions", "side"), [(17, 240), (18, 224), (500, 84)])
def test_many_actions_have_low_bars_without_names(actions: int, side: int) -> None:
    """Bars of many actions fit beside an attention map, where there is the least room, and have no names."""
    shown = moment([*range(actions)], actions - 1)
    shown = shown._replace(picture=np.zeros((side, side, 3), np.uint8), attention=np.ones(16, np.float32) / 16)
    drawn = Panel([str(a) for a in range(actions)]).beside(shown)
    rows = drawn[48 : drawn.shape[0] - 78 - 48, drawn.shape[1] - 220 :]
    assert not rows[:, :100].any(), "no names"
    assert rows[-2:, 108:-10].max() > 60, "the best action's bar is the lowest"

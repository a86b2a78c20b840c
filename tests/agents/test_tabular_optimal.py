"""The learned policies against the optimal ones, found by value iteration on the game's own model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agents.tabular.optimum import Gap, optimum_of
from agents.tabular.settings import PRESETS, TabularSettings
from tests.agents.test_tabular import trained
from tests.patience import TIMEOUT

FALLING = {"algorithm": "sarsa", "epsilon": 0.02, "final_epsilon": 0.0, "learning_rate": 0.01}


def gap_of(settings: TabularSettings) -> Gap:
    """Return the gap to the optimum after training to the end."""
    optimum = optimum_of(settings)
    assert optimum is not None
    return optimum.gap(trained(settings).learner.q)


@pytest.mark.slow
@pytest.mark.timeout(TIMEOUT)
@pytest.mark.parametrize(("preset", "values"), [*((name, {}) for name in PRESETS), ("cliffwalking", FALLING)])
def test_greedy_policy_is_optimal(preset: str, values: dict[str, Any]) -> None:
    """C31: the greedy policy has the optimal exact return and score, with each preset, and by SARSA with a falling
    epsilon. `python -m benchmarks.tables` has the other algorithms."""
    gap = gap_of(replace(PRESETS[preset](), **values))
    assert gap.greedy_return == pytest.approx(gap.optimal_return, abs=1e-3)
    assert gap.greedy_score == pytest.approx(gap.optimal_score, abs=1e-3)

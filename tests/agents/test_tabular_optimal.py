"""The learned policies against the optimal ones, found by value iteration on the game's own model."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from agents.tabular.optimum import Gap, optimum_of
from agents.tabular.settings import PRESETS, Algorithm, TabularSettings
from tests.agents.test_tabular import trained

SARSA = {"epsilon": 0.02, "final_epsilon": 0.0, "rate_decay": 0.0, "learning_rate": 0.05}
OTHERS: dict[Algorithm, dict[str, dict[str, Any]]] = {  # what docs/tables.md gives beside the preset
    "q_learning": {},
    "double_q": {},
    "random": {"taxi": {"rate_decay": 0.0}},
    "sarsa": {"taxi": SARSA, "frozenlake": SARSA, "cliffwalking": {**SARSA, "learning_rate": 0.01}},
}


def gap_of(settings: TabularSettings) -> Gap:
    """Train to the end, and measure."""
    optimum = optimum_of(settings)
    assert optimum is not None
    return optimum.gap(trained(settings).learner.q)


@pytest.mark.slow
@pytest.mark.parametrize(("preset", "algorithm"), [*product(PRESETS, OTHERS)])
def test_greedy_policy_is_optimal(preset: str, algorithm: Algorithm) -> None:
    """C31: the exact return of the learned policy is that of value iteration's."""
    gap = gap_of(replace(PRESETS[preset](), algorithm=algorithm, **OTHERS[algorithm].get(preset, {})))
    assert gap.greedy_return == pytest.approx(gap.optimal_return, abs=1e-3)
    assert gap.greedy_score == pytest.approx(gap.optimal_score, abs=1e-3)

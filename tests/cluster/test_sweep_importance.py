"""What a sweep says of its settings, where the answer is known, with as many trials as a sweep has by default."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cluster.tuning.results import importance
from cluster.tuning.space import Range
from training.csv_table import Row

TRIALS = 8  # as `quarterdeck sweep` has without --trials
SPACE = {
    "learner.learning_rate": Range("learner.learning_rate", "log", [1e-4, 1e-2]),
    "replay.n_step": Range("replay.n_step", "integer", [1, 8]),
    "learner.batch_size": Range("learner.batch_size", "choice", [32, 64, 128]),
}


@pytest.mark.parametrize("matters", SPACE)
@pytest.mark.parametrize("seed", range(4))
def test_the_one_setting_that_scores_follow_comes_first(matters: str, seed: int) -> None:
    """Also where it is a choice of three, of which eight trials have tried each two or three times."""
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    for index in range(TRIALS):
        drawn: dict[str, Any] = {
            "learner.learning_rate": 10 ** rng.uniform(-4, -2),
            "replay.n_step": int(rng.integers(1, 9)),
            "learner.batch_size": (32, 64, 128)[index % 3],
        }
        effect = {
            "learner.learning_rate": 1.5 * np.log10(drawn["learner.learning_rate"]),
            "replay.n_step": drawn["replay.n_step"] / 3,
            "learner.batch_size": float(index % 3),
        }[matters]
        score = effect + 0.1 * rng.normal()
        rows.append({"trial": f"t{index}", "round": "1", "score": str(score), **{k: str(v) for k, v in drawn.items()}})
    found = importance(rows, SPACE)
    assert max(found, key=lambda name: found[name]) == matters
    assert found[matters] > 0.4

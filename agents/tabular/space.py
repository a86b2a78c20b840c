"""Search spaces of sweeps over tabular runs."""

from __future__ import annotations

from typing import get_args

from agents.evaluation.judged import SCORE
from agents.tabular.settings import Algorithm
from training.search import Lines, Searchable

SPACES: dict[str, Lines] = {
    "learning": {
        "learning_rate": {"log": [0.05, 1.0]},
        "rate_decay": {"uniform": [0.0, 1.0]},
        "final_epsilon": {"uniform": [0.0, 0.8]},
        "initial_q": {"uniform": [-1.0, 5.0]},
    },
    "algorithms": {
        "algorithm": {"choice": [*get_args(Algorithm)]},
        "learning_rate": {"log": [0.05, 1.0]},
        "rate_decay": {"uniform": [0.0, 1.0]},
        "final_epsilon": {"uniform": [0.0, 0.8]},
    },
}
SEARCH = Searchable(
    metric=SCORE,
    spaces=lambda settings: SPACES,
    fixed=("env", "num_envs"),
    cloned=("learning_rate", "rate_decay", "epsilon", "final_epsilon"),
)

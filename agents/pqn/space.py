"""Search spaces of PQN sweeps."""

from __future__ import annotations

from agents.evaluation.judged import FIXED, SCORE
from training.search import Lines, Searchable

SPACES: dict[str, Lines] = {
    "learning": {
        "learner.learning_rate": {"log": [3e-5, 3e-3]},
        "learner.trace": {"uniform": [0.0, 1.0]},
        "learner.epochs": {"integer": [1, 4]},
    },
    "exploration": {
        "exploration.final": {"log": [0.001, 0.1]},
        "exploration.anneal_steps": {"log": [1_000, 1_000_000]},
    },
}
SEARCH = Searchable(
    metric=SCORE,
    spaces=lambda settings: SPACES,
    fixed=FIXED,
    cloned=("learner.", "exploration."),
    not_cloned=("learner.device", "learner.num_envs"),
)

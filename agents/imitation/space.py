"""Search spaces of sweeps over training from a data set."""

from __future__ import annotations

from agents.evaluation.judged import SCORE
from training.search import Lines, Searchable

SPACES: dict[str, Lines] = {
    "learning": {
        "learner.learning_rate": {"log": [5e-5, 5e-3]},
        "learner.batch_size": {"choice": [32, 64, 128, 256]},
    },
    "population": {  # not batch_size: a clone counts its donor's updates as samples of its own batch size
        "learner.learning_rate": {"log": [5e-5, 5e-3]},
        "learner.max_grad_norm": {"log": [0.1, 100.0]},
    },
}
SEARCH = Searchable(
    metric=SCORE,
    spaces=lambda settings: SPACES,
    fixed=("dataset", "holdout", "labels", "env.", "evaluation."),
    cloned=("learner.",),
    not_cloned=("learner.device", "learner.batch_size"),
)

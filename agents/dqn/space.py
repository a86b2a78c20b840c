"""What sweeps search in deep Q-learning."""

from __future__ import annotations

from agents.dqn.settings import Settings
from training.search import Lines, Metric, Searchable

SPACES: dict[str, Lines] = {
    "learning": {
        "learner.learning_rate": {"log": [3e-5, 3e-3]},
        "learner.target_period": {"log": [20, 2_000]},
        "learner.batch_size": {"choice": [32, 64, 128]},
    },
    "exploration": {
        "exploration.final": {"log": [0.01, 0.4]},
        "exploration.ladder": {"uniform": [0.0, 7.0]},
        "exploration.anneal_steps": {"log": [1_000, 1_000_000]},
    },
    "replay": {
        "replay.n_step": {"integer": [1, 8]},
        "replay.samples_per_insert": {"log": [1.0, 16.0]},
        "replay.prioritized": {"choice": [False, True]},
    },
    "population": {  # all that a clone can take over
        "learner.learning_rate": {"log": [3e-5, 3e-3]},
        "learner.target_period": {"log": [20, 2_000]},
        "exploration.final": {"log": [0.01, 0.4]},
    },
}
SEARCH = Searchable(
    metric=Metric("score", "max", worst=-1e6),
    spaces=lambda settings: SPACES,
    fixed=("env.id", "env.frame_skip", "env.full_actions", "evaluation."),
    # Of what a clone is trained under, its donor's replay and networks must fit.
    cloned=("learner.", "exploration.", "replay.alpha", "replay.beta", "replay.samples_per_insert"),
    not_cloned=("learner.device", "learner.average_rate"),
    valid=Settings.rows_per_lane,
)

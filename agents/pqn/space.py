"""What sweeps search in PQN."""

from __future__ import annotations

from training.search import Lines, Metric, Searchable

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
    metric=Metric("score", "max", worst=-1e6),
    spaces=lambda settings: SPACES,
    fixed=("env.id", "env.frame_skip", "env.full_actions", "evaluation."),
    cloned=("learner.", "exploration."),
    not_cloned=("learner.device", "learner.num_envs"),
)

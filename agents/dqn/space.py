"""What sweeps search in deep Q-learning."""

from __future__ import annotations

from agents.dqn.settings import Settings
from agents.evaluation.judged import FIXED, SCORE
from training.search import Lines, Searchable, log_around

EXPLORATION: Lines = {
    "exploration.final": {"log": [0.01, 0.4]},
    "exploration.ladder": {"uniform": [0.0, 7.0]},
    "exploration.anneal_steps": {"log": [1_000, 1_000_000]},
}


def spaces(settings: Settings) -> dict[str, Lines]:
    """Around the preset's own target network, batch and samples per insert."""
    rates: Lines = {
        "learner.learning_rate": {"log": [3e-5, 3e-3]},
        "learner.target_period": log_around(settings.learner.target_period, 10),
    }
    batch = settings.learner.batch_size
    explores = EXPLORATION if settings.exploration.start else {}  # else noise alone does
    return {
        "learning": {**rates, "learner.batch_size": {"choice": [batch // 2, batch, 2 * batch]}},
        **({"exploration": explores} if explores else {}),
        "replay": {
            "replay.n_step": {"integer": [1, 8]},
            "replay.samples_per_insert": log_around(settings.replay.samples_per_insert, 4),
            "replay.prioritized": {"choice": [False, True]},
        },
        # All that a clone takes over.
        "population": rates | {name: lines for name, lines in explores.items() if name == "exploration.final"},
    }


SEARCH = Searchable(
    metric=SCORE,
    spaces=spaces,
    fixed=FIXED,
    # Of what a clone is trained under, its donor's replay and networks must fit.
    cloned=("learner.", "exploration.", "replay.alpha", "replay.beta", "replay.samples_per_insert"),
    not_cloned=("learner.device", "learner.average_rate"),
    valid=Settings.rows_per_lane,
)

"""Search spaces of deep Q-learning sweeps."""

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
    """Return the search spaces, centred on the preset's values."""
    rates: Lines = {
        "learner.learning_rate": {"log": [3e-5, 3e-3]},
        "learner.target_period": log_around(settings.learner.target_period, 10),
    }
    batch = settings.learner.batch_size
    explores = EXPLORATION if settings.exploration.start else {}  # else noisy layers explore
    return {
        "learning": {**rates, "learner.batch_size": {"choice": [batch // 2, batch, 2 * batch]}},
        **({"exploration": explores} if explores else {}),
        "replay": {
            "replay.n_step": {"integer": [1, 8]},
            "replay.samples_per_insert": log_around(settings.replay.samples_per_insert, 4),
            "replay.prioritized": {"choice": [False, True]},
        },
        # Settings that population-based training changes.
        "population": rates | {name: lines for name, lines in explores.items() if name == "exploration.final"},
    }


SEARCH = Searchable(
    metric=SCORE,
    spaces=spaces,
    fixed=FIXED,
    # Settings under which the donor's networks and replay can be reused.
    cloned=("learner.", "exploration.", "replay.alpha", "replay.beta", "replay.samples_per_insert"),
    not_cloned=("learner.device", "learner.average_rate"),
    valid=Settings.rows_per_lane,
)

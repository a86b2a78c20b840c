"""Search spaces of CrossQ sweeps."""

from __future__ import annotations

from agents.evaluation.judged import FIXED, SCORE
from agents.sac.settings import SacSettings
from training.search import Lines, Searchable

SPACES: dict[str, Lines] = {
    "learning": {
        "learner.learning_rate": {"log": [1e-4, 3e-3]},
        "learner.policy_delay": {"integer": [1, 4]},
        "replay.samples_per_insert": {"log": [32.0, 256.0]},
    },
    "networks": {
        "network.actor_units": {"choice": [128, 256]},
        "network.critic_units": {"choice": [128, 256, 512]},
    },
}
SEARCH = Searchable(
    metric=SCORE,
    spaces=lambda settings: SPACES,
    fixed=FIXED,
    cloned=("learner.", "exploration.", "replay.samples_per_insert"),
    not_cloned=("learner.device",),
    valid=SacSettings.rows_per_lane,
)

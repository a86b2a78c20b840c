"""What sweeps search in recurrent deep Q-learning."""

from __future__ import annotations

from agents.dqn import space
from agents.recurrent.settings import RecurrentSettings
from training.search import Lines

SPACES: dict[str, Lines] = {
    "learning": {
        "learner.learning_rate": {"log": [1e-4, 3e-3]},
        "learner.target_period": {"log": [20, 2_000]},
        "replay.samples_per_insert": {"log": [0.02, 0.5]},
    },
    "memory": {
        "network.memory": {"choice": ["lstm", "gru", "attention"]},
        "network.hidden": {"choice": [32, 64, 128]},
        "sequence.burn_in": {"choice": [0, 10, 40]},
        "sequence.unroll": {"choice": [40, 80]},
    },
    "exploration": space.SPACES["exploration"],
}
SEARCH = space.SEARCH._replace(spaces=lambda settings: SPACES, valid=RecurrentSettings.rows_per_lane)

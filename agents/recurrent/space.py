"""Search spaces of sweeps of recurrent deep Q-learning."""

from __future__ import annotations

from agents.dqn import space
from agents.recurrent.settings import RecurrentSettings
from training.search import Lines, log_around


def spaces(settings: RecurrentSettings) -> dict[str, Lines]:
    """Return spaces around the preset's own target period, samples per insert and sequence lengths."""
    burn_in, unroll = settings.sequence.burn_in, settings.sequence.unroll
    return {
        "learning": {
            "learner.learning_rate": {"log": [1e-4, 3e-3]},
            "learner.target_period": log_around(settings.learner.target_period, 10),
            "replay.samples_per_insert": log_around(settings.replay.samples_per_insert, 4),
        },
        "memory": {
            "network.memory": {"choice": ["lstm", "gru", "attention"]},
            "network.hidden": {"choice": [32, 64, 128]},
            "sequence.burn_in": {"choice": sorted({0, burn_in, burn_in + 10})},
            "sequence.unroll": {"choice": [unroll, 2 * unroll]},
        },
        "exploration": space.EXPLORATION,
    }


SEARCH = space.SEARCH._replace(spaces=spaces, valid=RecurrentSettings.rows_per_lane)

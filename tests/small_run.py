"""Settings of serial runs that take seconds."""

from __future__ import annotations

from typing import Any

from agents.acting.exploration import ExplorationSettings
from agents.dqn.learner import LearnerSettings
from agents.dqn.settings import Settings
from agents.networks.q_network import NetworkSettings
from agents.replay.transitions import ReplaySettings
from agents.settings import EvaluationSettings, FleetSettings
from envs import EnvSettings

SECTIONS: dict[str, Any] = {
    "network": NetworkSettings,
    "exploration": ExplorationSettings,
    "replay": ReplaySettings,
    "learner": LearnerSettings,
    "fleet": FleetSettings,
    "evaluation": EvaluationSettings,
}
SMALL: dict[str, dict[str, Any]] = {
    "network": {"stack": 2},
    "exploration": {"final": 0.1, "ladder": 1.0, "anneal_steps": 300},
    "replay": {"capacity": 1000, "n_step": 3, "samples_per_insert": 2.0, "learning_starts": 60, "beta_updates": 50},
    "learner": {"batch_size": 8, "target_period": 7, "double": True, "precision": "fp32", "device": "cpu"},
    "fleet": {"envs_per_runner": 4, "chunk_steps": 6},
    "evaluation": {"protocol": "training", "every_steps": 0},
}


def small_settings(env: str, seed: int = 0, **sections: dict[str, Any]) -> Settings:
    """Return settings for a short run in float32 on the CPU; `sections` change single values."""
    pixels = env in ("toy/catch", "pong")
    kind: dict[str, Any] = {"kind": "dqn2013"} if pixels else {"kind": "mlp", "hidden": 16}
    made = {
        name: SECTIONS[name](**{**values, **(kind if name == "network" else {}), **sections.get(name, {})})
        for name, values in SMALL.items()
    }
    return Settings(env=EnvSettings(id=env), seed=seed, **made)

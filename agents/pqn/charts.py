"""TensorBoard layout of PQN runs, and the settings that they are compared by."""

from __future__ import annotations

from typing import Any

from agents.evaluation.judged import CLOSING
from agents.pqn.settings import PqnSettings
from training.settings import flat

RESULTS = (CLOSING, "score_while_training/low_epsilon", "run/agent_steps_per_second")
TUNED = ("seed", "env", "network", "exploration", "learner")  # sections that affect learning
LAYOUT: dict[str, dict[str, list[str]]] = {
    "The story": {
        "Evaluation: raw score of whole games, frozen weights": [CLOSING],
        "While training: raw score of the envs at low epsilon": ["score_while_training/low_epsilon"],
        "While training: raw score of all envs": ["score_while_training/all_lanes"],
        "Agent steps/s": ["throughput/run"],
        "Loss": ["learner/loss"],
        "Q: of actions taken (learner), of the best action (acting)": ["learner/q_mean", "acting/q_max_mean"],
    },
    "Learning": {
        "TD error, mean of absolute values": ["learner/td_error"],
        "Gradient norm before clipping": ["learner/grad_norm"],
        "Epsilon, mean of all envs": ["acting/epsilon_mean"],
        "Episode length in agent steps": ["episode_steps/all_lanes", "episode_steps/low_epsilon"],
    },
    "Speed": {
        "Seconds per agent step": ["seconds_per_step/env", "seconds_per_step/policy"],
        "Seconds per update": ["seconds_per_update/sample", "seconds_per_update/update"],
    },
}


def compared(settings: PqnSettings) -> dict[str, Any]:
    """Return the settings that affect learning, by dotted name."""
    return {name: value for name, value in flat(settings).items() if name.split(".")[0] in TUNED}

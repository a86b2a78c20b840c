"""TensorBoard layout of deep Q-learning, and the settings by which runs are compared."""

from __future__ import annotations

from typing import Any

from agents.dqn.settings import Settings
from agents.evaluation.judged import CLOSING
from training.settings import flat

RESULTS = (CLOSING, "evaluation/score_mean", "score_while_training/low_epsilon", "run/agent_steps_per_second")
# Sections that affect learning.
TUNED = ("env", "network", "exploration", "replay", "sequence", "learner", "league", "fleet")
# Categories of charts, each a title and its tags. Only scores with the same meaning share a chart.
LAYOUT: dict[str, dict[str, list[str]]] = {
    "The story": {
        "Evaluation: raw score of whole games, frozen weights": ["evaluation/score_mean", CLOSING],
        "While training: raw score of the lanes at low epsilon": ["score_while_training/low_epsilon"],
        "While training: raw score of all lanes": ["score_while_training/all_lanes"],
        "Agent steps/s, and the bound its stages set": ["throughput/run", "throughput/bound"],
        "Loss": ["learner/loss"],
        "Q: of actions taken (learner), of the best action (runners)": ["learner/q_mean", "acting/q_max_mean"],
    },
    "Learning": {
        "TD error, mean of absolute values": ["learner/td_error"],
        "Gradient norm before clipping": ["learner/grad_norm"],
        "Epsilon, mean of all lanes": ["acting/epsilon_mean"],
        "Episode length in agent steps": ["episode_steps/all_lanes", "episode_steps/low_epsilon"],
    },
    "Speed": {
        "Agent steps/s that each stage could do alone": [f"throughput/{n}" for n in ("env", "inference", "gradient")],
        "Samples per insert": ["run/samples_per_insert"],
        "Policy lag in learner updates": ["acting/policy_lag_in_updates"],
        "Age of replayed steps in learner updates": ["replay/age_in_updates"],
        "Seconds per update": ["seconds_per_update/sample", "seconds_per_update/update"],
    },
    "Fleet and machine": {
        "Runners alive": ["fleet/runners_alive"],
        "Restarts": ["fleet/runner_restarts", "fleet/learner_restarts"],
        "Memory in GiB": ["machine/memory_used_gib", "machine/this_process_gib", "learner/gpu_memory_gib"],
        "Cores and GPU busy, percent": ["machine/cores_busy_percent", "learner/gpu_busy_percent"],
        "Bytes per step between processes": ["wire/bytes_per_step"],
        "Seconds per checkpoint, during which learning pauses": ["run/checkpoint_seconds"],
    },
}


def compared(settings: Settings) -> dict[str, Any]:
    """Return the settings that affect learning, by dotted name."""
    values = flat(settings)
    return {"seed": settings.seed} | {name: value for name, value in values.items() if name.split(".")[0] in TUNED}

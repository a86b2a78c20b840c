"""Stages of the ablation: the lecture's naive loop, and the settings that each trick replaces."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from agents.dqn.presets import catch
from agents.dqn.settings import Settings
from cluster.workload import ENDLESS
from training.settings import changed

NAIVE = "naive loop"
REPLAY = "experience replay"
# Settings without each trick, in the order of the lecture.
WITHOUT: dict[str, dict[str, Any]] = {
    REPLAY: {},  # the newest transitions instead of random ones: `agents.replay.no_replay`
    "target network": {"learner.target_period": 1},
    "error clipping": {"learner.loss": "squared"},
    "reward clipping": {"learner.reward_clip": 0.0},
    "epsilon schedule": {"exploration.anneal_steps": 1},  # final epsilon from the first step on
}
STAGES = (NAIVE, *(f"+ {trick}" for trick in WITHOUT))


def lecture() -> Settings:
    """Return the settings with all tricks: toy/catch100, one game at a time, an update every eighth step."""
    return changed(
        catch(),
        {
            "env.id": "toy/catch100",
            "stop.steps": 16_000,
            "stop.minutes": ENDLESS,
            "exploration.ladder": 0.0,
            "fleet.envs_per_runner": 1,
            "fleet.chunk_steps": 8,
            "learner.max_grad_norm": 1e9,  # gradient clipping is not in the lecture
        },
    )


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """Train the naive loop, then add experience replay, target network, error clipping, reward clipping and the epsilon
    schedule one at a time, and plot the effect of each.
    """

    settings: Annotated[Settings, tyro.conf.arg(name="")] = field(default_factory=lecture)
    seeds: int = 5
    """Number of seeds per stage, beginning with --seed."""
    run_dir: Path | None = None
    """Directory of figure and tables; default under runs/."""
    dry_run: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print the settings of every stage, without training."""

    def __post_init__(self) -> None:
        if self.seeds < 2:
            raise ValueError(f"--seeds is {self.seeds}: use 2 or more for an interval, better 5")
        fleet = self.settings.fleet
        if fleet.runners > 1 or fleet.shards or fleet.learners or self.settings.replay.prioritized:
            raise ValueError("an ablation trains in one process without priorities: leave those settings alone")
        if self.settings.learner.device.startswith("cuda"):
            raise ValueError("an ablation trains on a core each: leave --learner.device alone, or say cpu")
        if (self.settings.stop.minutes, self.settings.stop.score) != (ENDLESS, None):
            raise ValueError(
                "an ablation ends by --steps, or its stages could not be compared: leave --minutes, --score out"
            )


def stages(settings: Settings) -> dict[str, Settings]:
    """Return the settings of every stage, from the naive loop to all tricks."""
    tricks = list(WITHOUT)
    return {
        stage: changed(settings, {k: v for trick in tricks[count:] for k, v in WITHOUT[trick].items()})
        for count, stage in enumerate(STAGES)
    }

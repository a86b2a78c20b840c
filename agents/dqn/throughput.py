"""What every stage of the loop could do alone, and the bound that all of them together set."""

from __future__ import annotations

from agents.dqn.settings import Settings


def throughput(scalars: dict[str, float], settings: Settings, *, serial: bool) -> dict[str, float]:
    """Agent steps/s by stage, from the stage times that a run keeps anyway; what has not been timed is left out.

    The times are taken while the stages run beside each other, so they hold what sharing a machine costs. Runners and
    learner work at once in a fleet, whose bound is the slower of the two; a serial run does one after the other.

    Args:
        scalars: `seconds_per_step/env`, `seconds_per_step/policy` (of a runner) and `seconds_per_update/sample`,
            `seconds_per_update/update` (of the learner).
        settings: of the run.
        serial: one process does it all.
    """
    runners = 1 if serial else settings.fleet.runners
    seconds = {  # of the whole run for one agent step
        "env": scalars.get("seconds_per_step/env", 0.0) / runners,
        "inference": scalars.get("seconds_per_step/policy", 0.0) / runners,
        "sampling": _per_step(scalars.get("seconds_per_update/sample", 0.0), settings),
        "gradient": _per_step(scalars.get("seconds_per_update/update", 0.0), settings),
    }
    acting, learning = seconds["env"] + seconds["inference"], seconds["sampling"] + seconds["gradient"]
    seconds["bound"] = acting + learning if serial else max(acting, learning)
    return {f"throughput/{name}": 1.0 / value for name, value in seconds.items() if value > 0}


def _per_step(seconds: float, settings: Settings) -> float:
    """Seconds of learning that one agent step causes, from those of an update."""
    batch = settings.learner.batch_size * max(settings.fleet.learners, 1)
    return seconds * settings.replay.samples_per_insert / batch

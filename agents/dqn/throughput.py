"""Throughput of each stage of the loop alone, and the resulting bound of the whole loop."""

from __future__ import annotations

from agents.dqn.settings import Settings


def throughput(scalars: dict[str, float], settings: Settings, *, serial: bool) -> dict[str, float]:
    """Return agent steps/s by stage, from measured stage times; stages without times are omitted.

    Times are measured while the stages run concurrently, so they include the cost of sharing a machine. A fleet's bound
    is the slower of runners and learner, which run concurrently; a serial run alternates between them.

    Args:
        scalars: `seconds_per_step/env`, `seconds_per_step/policy` (of a runner) and `seconds_per_update/sample`,
            `seconds_per_update/update` (of the learner).
        settings: of the run.
        serial: whether one process does everything.
    """
    runners = 1 if serial else settings.fleet.runners
    seconds = {  # per agent step of the whole run
        "env": scalars.get("seconds_per_step/env", 0.0) / runners,
        "inference": scalars.get("seconds_per_step/policy", 0.0) / runners,
        "sampling": _per_step(scalars.get("seconds_per_update/sample", 0.0), settings),
        "gradient": _per_step(scalars.get("seconds_per_update/update", 0.0), settings),
    }
    acting, learning = seconds["env"] + seconds["inference"], seconds["sampling"] + seconds["gradient"]
    seconds["bound"] = acting + learning if serial else max(acting, learning)
    return {f"throughput/{name}": 1.0 / value for name, value in seconds.items() if value > 0}


def _per_step(seconds: float, settings: Settings) -> float:
    """Return the seconds of learning per agent step, from those of an update."""
    batch = settings.learner.batch_size * max(settings.fleet.learners, 1)
    return seconds * settings.replay.samples_per_insert / batch

"""Ray's exceptions for actors that are gone."""

from __future__ import annotations

import ray

# Raised by calls to a dead actor; OutOfMemoryError if Ray's memory monitor killed it.
LOST = (ray.exceptions.RayActorError, ray.exceptions.OutOfMemoryError)
# Raised by calls to an actor that Ray does not restart: its environment or its placement failed.
UNSTARTABLE = (ray.exceptions.RuntimeEnvSetupError, ray.exceptions.ActorUnschedulableError)


def init_error(error: BaseException) -> BaseException | None:
    """Return the exception of an actor's `__init__`, after which Ray does not restart it; None for other errors."""
    if not getattr(error, "actor_init_failed", False):
        return None
    return getattr(error.args[0], "cause", None) or error


def never_starts(error: BaseException) -> BaseException | None:
    """Return the reason why Ray does not restart an actor; None if it does."""
    return init_error(error) or (error if isinstance(error, UNSTARTABLE) else None)

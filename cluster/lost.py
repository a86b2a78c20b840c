"""How Ray says that an actor is gone."""

from __future__ import annotations

import ray

# What a call to a dead actor raises. One that Ray's memory monitor has ended is no RayActorError.
LOST = (ray.exceptions.RayActorError, ray.exceptions.OutOfMemoryError)
# What a call to one raises that Ray never starts again: its packages cannot be set up, or its place is gone.
UNBORN = (ray.exceptions.RuntimeEnvSetupError, ray.exceptions.ActorUnschedulableError)


def birth_error(error: BaseException) -> BaseException | None:
    """What an actor's `__init__` has raised, if it is gone for that: Ray does not start it again."""
    if not getattr(error, "actor_init_failed", False):
        return None
    return getattr(error.args[0], "cause", None) or error


def never_starts(error: BaseException) -> BaseException | None:
    """Why Ray does not start an actor again, if a call to it has raised that."""
    return birth_error(error) or (error if isinstance(error, UNBORN) else None)

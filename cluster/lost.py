"""How Ray says that an actor is gone."""

from __future__ import annotations

import ray

# What a call to a dead actor raises. One that Ray's memory monitor has ended is no RayActorError.
LOST = (ray.exceptions.RayActorError, ray.exceptions.OutOfMemoryError)


def birth_error(error: BaseException) -> BaseException | None:
    """What an actor's `__init__` has raised, if it is gone for that: Ray does not start it again."""
    if not getattr(error, "actor_init_failed", False):
        return None
    return getattr(error.args[0], "cause", None) or error

"""Start of a fleet: connecting to Ray, and progress messages while actors wait for nodes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from agents.settings import SpreadSettings
from cluster.connect import processes_of, start_ray
from cluster.fleet import placement
from training.messages import say
from training.settings import changed

EVERY = 60.0  # seconds between two messages
S = TypeVar("S", bound=SpreadSettings)


def connect(settings: S) -> tuple[S, bool]:
    """Connect to Ray; return the settings with the resolved device, and whether this call connected."""
    connected = start_ray(processes_of(settings))
    device = placement.resolve_device(settings.learner.device, settings.fleet.learners)
    settings = changed(settings, {"learner.device": device})
    if lacking := placement.missing(settings):
        say(lacking)
    for name in ("ray.rllib", "ray.tune", "ray._common.deprecation"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # `.runners` and `.loop` report losses themselves.
    for name in ("rllib.utils.actor_manager", "rllib.env.env_runner_group", "train._internal.backend_executor"):
        logging.getLogger(f"ray.{name}").setLevel(logging.CRITICAL)
    return settings, connected


@contextmanager
def waiting_for_nodes(settings: SpreadSettings) -> Iterator[None]:
    """Report what is missing while learners, shards and the weight store start, and on Ctrl-C."""
    over = threading.Event()

    def tell() -> None:
        while not over.wait(EVERY):
            say(f"still {awaited(settings)}")

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    except KeyboardInterrupt:
        say(f"gave up {awaited(settings)}")
        raise
    finally:
        over.set()
        teller.join()


def awaited(settings: SpreadSettings) -> str:
    """Describe what a starting fleet waits for."""
    return placement.missing(settings) or "waiting for the fleet to start: `ray status` shows unmet resource demands"

"""Waiting for nodes while a fleet is built, as long as it takes, and saying now and then for what."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from agents.dqn.settings import Settings
from cluster.fleet import placement
from training.messages import say

EVERY = 60.0  # seconds between two lines
PATIENCE = 10**7  # seconds; RLlib's learners wait for their nodes by this clock of Ray Train's, 100 s by default


@contextmanager
def waiting_for_nodes(settings: Settings) -> Iterator[None]:
    """Say what is waited for while learners, shards and the weight store start, and if the person gives up."""
    os.environ.setdefault("TRAIN_PLACEMENT_GROUP_TIMEOUT_S", str(PATIENCE))
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


def awaited(settings: Settings) -> str:
    """What a fleet that does not come up waits for."""
    return placement.missing(settings) or "waiting for the fleet to start: `ray status` shows what nobody has room for"

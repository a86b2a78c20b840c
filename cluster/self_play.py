"""Self-play on a fleet; runners read the league from the run directory, which must be visible on every node."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from agents.dqn.run import DqnRun
from agents.selfplay.run import RollBack, SelfPlayLoop
from agents.selfplay.settings import SelfPlaySettings
from cluster.fleet.loop import FleetLoop
from cluster.fleet.loop import bundles as bundles
from cluster.fleet.loop import requires_fleet as requires_fleet


def make_run(settings: SelfPlaySettings, defaults: SelfPlaySettings, folder: Path) -> DqnRun:
    """Create a run of self-play on a fleet; exploiters train in this process."""

    def make_loop(league: Path, roll_back: RollBack) -> FleetLoop:
        return FleetLoop(replace(settings, league=replace(settings.league, folder=str(league.absolute()))), roll_back)

    return DqnRun(SelfPlayLoop(settings, folder, make_loop), settings, defaults, serial=False)

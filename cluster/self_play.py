"""Self-play by a fleet: its runners read the league from the run directory, which every node has to see."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from agents.dqn.run import DqnRun
from agents.selfplay.run import GoBack, SelfPlayLoop
from agents.selfplay.settings import SelfPlaySettings
from cluster.fleet.loop import FleetLoop
from cluster.fleet.loop import bundles as bundles
from cluster.fleet.loop import shares_out as shares_out


def make_run(settings: SelfPlaySettings, usual: SelfPlaySettings, folder: Path) -> DqnRun:
    """Self-play by a fleet, on the cluster that is connected or one of its own; exploiters train in this process."""

    def make_loop(league: Path, go_back: GoBack) -> FleetLoop:
        return FleetLoop(replace(settings, league=replace(settings.league, folder=str(league.absolute()))), go_back)

    return DqnRun(SelfPlayLoop(settings, folder, make_loop), settings, usual, serial=False)

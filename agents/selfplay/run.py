"""A run of self-play: deep Q-learning with a league."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agents.acting.policy import LearningPolicy
from agents.dqn.run import DqnRun, ReplayLoop
from agents.dqn.serial import SerialLoop
from agents.replay.limiter import SamplesPerInsert
from agents.selfplay.exploiter import Exploiter
from agents.selfplay.league import EXPLOITER, SNAPSHOT, League
from agents.selfplay.parts import against
from agents.selfplay.settings import SelfPlaySettings
from agents.stats import RunStats
from training.arrays import arrays_of
from training.storage import checkpoint

FOLDER = "league"  # in the run directory
RollBack = Callable[[Path | None], None]  # restores a checkpoint, or with None the start of the run


class SelfPlayLoop:
    """Training loop against a league, to which it adds snapshots of its own policy."""

    def __init__(
        self, settings: SelfPlaySettings, folder: Path, make_loop: Callable[[Path, RollBack], ReplayLoop]
    ) -> None:
        """`make_loop` takes the league's folder, and a callback to be called before its loop restarts by itself."""
        self.settings, path = settings, folder / FOLDER
        new = not path.exists()
        self.exploiter: Exploiter | None = None
        try:
            self.league = League(settings.league, path)
            self.loop = make_loop(path, self.roll_back)
            self.league.renew(0, self._weights())
        except BaseException:
            if new:  # with leftovers, the run directory would be refused to the corrected command
                shutil.rmtree(path, ignore_errors=True)
            raise
        self.beginning = self.league.state()

    @property
    def stats(self) -> RunStats:
        """Statistics of the learner; a fleet that has lost its learner replaces them."""
        return self.loop.stats

    @property
    def limiter(self) -> SamplesPerInsert:
        """Samples-per-insert limiter of the learner."""
        return self.loop.limiter

    def step(self) -> None:
        """Run one iteration: train, count results, extend the league, and train the exploiter by as many steps."""
        s, before = self.settings.league, self.stats.agent_steps
        self.loop.step()
        self.league.count()
        now = self.stats.agent_steps
        if now - self.league.frozen_at >= s.snapshot_every:
            self.league.freeze(f"{now:012d}", SNAPSHOT, now, self._weights())
        if now - self.league.renewed_at >= s.latest_every:
            self.league.renew(now, self._weights())
        checked = before  # agent steps up to which due exploiters were started
        if self.exploiter is not None:
            began = checked = self.exploiter.since  # the next one may become due while this one trains
            if self.exploiter.train(now):
                self.league.freeze(f"exploiter-{began:012d}", EXPLOITER, began, self.exploiter.weights())
                self._end_exploiter()
        due = s.exploit_every > 0 and now // s.exploit_every > checked // s.exploit_every
        if self.exploiter is None and due:
            self.exploiter = Exploiter(self.settings, self.league.folder, now, self._weights())
        for name, value in self.league.scalars().items():
            self.stats.note(name, value)

    def _weights(self) -> dict[str, Any]:
        return arrays_of(self.loop.policy().network)

    def policy(self) -> LearningPolicy:
        """Return the policy to evaluate."""
        return self.loop.policy()

    def save(self, folder: Path, also: Callable[[Path], None] = lambda part: None) -> Path:
        """Write a checkpoint of loop, league and exploiter. Running games end; new ones use the newest weights."""
        self.league.count()
        self.league.renew(self.stats.agent_steps, self._weights())

        def write(part: Path) -> None:
            also(part)
            checkpoint.save(part / FOLDER, self.league.state())
            if self.exploiter is not None:
                self.exploiter.save(part)

        return self.loop.save(folder, write)

    def load(self, path: Path) -> None:
        """Restore a checkpoint; the league first, since the new games are played against it."""
        self.roll_back(path)
        self.loop.load(path)

    def roll_back(self, path: Path | None) -> None:
        """Restore league and exploiter from a checkpoint, or without one as they were at the start."""
        self.league.load_state(self.beginning if path is None else checkpoint.load(path / FOLDER))
        self._end_exploiter()
        self.exploiter = None if path is None else Exploiter.load(path, self.settings, self.league.folder)

    def close(self) -> None:
        """Stop the loops."""
        self._end_exploiter()
        self.loop.close()

    def _end_exploiter(self) -> None:
        if self.exploiter is not None:
            self.exploiter.close()
        self.exploiter = None


def make_run(settings: SelfPlaySettings, defaults: SelfPlaySettings, folder: Path) -> DqnRun:
    """Create a self-play run in this process."""

    def make_loop(league: Path, _: RollBack) -> SerialLoop:
        return SerialLoop(settings, env=against(settings, league, settings.fleet.lanes))

    return DqnRun(SelfPlayLoop(settings, folder, make_loop), settings, defaults, serial=True)

"""Recording of a playing loop into a data set. Legend: E envs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from agents.acting.episodes import Played
from agents.imitation.writer import DatasetWriter, EpisodeWriter
from envs.base import TimeStep

ENDLESS = 10**12  # games or labels
MOST = 16  # envs that play in parallel
LABELS_PER_ENV = 4_000  # at least: a small data set is then a few long pieces of games, not many openings


class Recorder:
    """Records the play of E envs, until each of them has played its games or there are enough labels.

    Every env has the same quota of games, so that short games are not over-represented. Games in progress when there
    are enough labels are stored truncated.

    Args:
        games: whole games over all envs, a multiple of their number.
        labels: actions over all envs.
    """

    def __init__(self, writer: DatasetWriter, envs: int, *, games: int = ENDLESS, labels: int = ENDLESS) -> None:
        if games < ENDLESS and games % envs:
            raise ValueError(f"{games} games cannot be shared evenly among {envs} envs")
        self.writer, self.labels, self.quota = writer, labels, games // envs
        self.under_way: dict[int, EpisodeWriter] = {}
        self.games, self.score = np.zeros(envs, np.int64), np.zeros(envs)
        self.scores: list[float] = []  # raw, of whole games

    @property
    def done(self) -> float:
        """Progress towards the games or labels requested, 0..1."""
        games = self.games.sum() / (self.quota * len(self.games))
        return float(min(max(games, self.writer.labels / self.labels), 1.0))

    def record(
        self,
        played: Iterable[Played],
        show: Callable[[float], None] = lambda done: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Record `played` from its first time step on.

        Args:
            show: called with `done` at every time step.
            stop: called at every time step; True ends the recording.
        """
        action = np.zeros(len(self.games), np.int64)
        for step, acted in played:
            for e in range(len(self.games)):
                self._see(e, step, action[e])
            show(self.done)
            if self.done >= 1 or stop():
                break
            action = np.asarray(acted.action, np.int64).copy()
        for episode in self.under_way.values():
            episode.end()

    def line(self) -> str:
        """Return score and labels as a status line for the player of the first env."""
        return f"score {self.score[0]:g}   {self.writer.labels:,} labels"

    def _see(self, e: int, step: TimeStep, action: Any) -> None:
        """Record a time step of env e; `action` is the one before it, ignored if the episode begins here."""
        if step.first[e]:
            self.score[e] = 0.0
            if self.games[e] < self.quota:
                self.under_way[e] = self.writer.begin(step.frame[e])
        elif e in self.under_way and self.writer.labels < self.labels:
            flags = step.terminated[e], step.truncated[e], step.life_lost[e]
            self.under_way[e].add(step.frame[e], action, step.reward[e], *flags)
            self.score[e] += step.reward[e]
            if step.terminated[e] or step.truncated[e]:
                self._end(e)

    def _end(self, e: int) -> None:
        self.under_way.pop(e).end()
        self.games[e] += 1
        self.scores.append(float(self.score[e]))

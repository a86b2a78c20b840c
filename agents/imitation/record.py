"""From one playing loop into a data set. Legend: E envs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from agents.acting.episodes import Played
from agents.imitation.writer import DatasetWriter, EpisodeWriter
from envs.base import TimeStep

ENDLESS = 10**12  # games or labels
MOST = 16  # envs that play side by side
LABELS_PER_ENV = 4_000  # at least: a few labels are those of a few games, and not of many beginnings


class Recorder:
    """Takes down what E envs show, until each of them has played its games or there are enough labels.

    Every env has the same quota of games, so that short ones count no more than long ones. Games that are under way
    when there are enough labels are cut there: the data set holds them, truncated.

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
        """The share of what was asked for that lies behind, 0..1."""
        games = self.games.sum() / (self.quota * len(self.games))
        return float(min(max(games, self.writer.labels / self.labels), 1.0))

    def record(
        self,
        played: Iterable[Played],
        show: Callable[[float], None] = lambda done: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Take down play from its first time step on; `show` is told `done` at each, `stop` asked whether to end."""
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
        """How far it is, for who plays in the first env."""
        return f"score {self.score[0]:g}   {self.writer.labels:,} labels"

    def _see(self, e: int, step: TimeStep, action: Any) -> None:
        """What env e shows after an action that has led there, unless its episode begins."""
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

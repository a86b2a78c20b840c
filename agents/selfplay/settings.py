"""All settings of self-play: those of deep Q-learning, and its league's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import tyro

from agents.dqn.settings import Settings
from training.settings import check_kinds


@dataclass(frozen=True, kw_only=True)
class LeagueSettings:
    """Whom the learner meets. What the two shares leave over is played against the newest weights.

    Raises:
        ValueError: a setting is out of its range.
    """

    snapshot_every: int = 25_000  # agent steps between two frozen copies of the learner
    latest_every: int = 2_000  # agent steps after which the newest weights are renewed that it meets
    snapshots: float = 0.5  # share of games against frozen copies, drawn by how hard they are
    exploiters: float = 0.0  # share of games against frozen exploiters, drawn likewise
    power: float = 2.0  # p of (1 - win rate)^p, by which frozen opponents are drawn; 0 draws all alike
    size: int = 30  # frozen opponents that are kept: the one that loses most makes room for the next
    epsilon: float = 0.02  # with which opponents act at random
    exploit_every: int = 0  # agent steps between the starts of two exploiters; 0 trains none
    exploit_steps: int = 50_000  # agent steps of an exploiter against the learner as it was then
    # The driver's word to a fleet's runners, and no option: where they read the league, on storage that all nodes see.
    folder: tyro.conf.Suppress[str] = ""

    def __post_init__(self) -> None:
        check_kinds(self, "league")
        for name in ("snapshot_every", "latest_every", "exploit_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"league.{name} is {getattr(self, name)}: use 1 agent step or more")
        if self.snapshots < 0 or self.exploiters < 0 or self.snapshots + self.exploiters > 1:
            raise ValueError(
                f"league.snapshots and exploiters are {self.snapshots} and {self.exploiters}: "
                "they are shares of all games, give 0 or more, at most 1 together"
            )
        if self.size < 2 or self.power < 0:
            raise ValueError(f"league.size is {self.size}, power {self.power}: use 2 or more, and 0 or more")
        if not 0 <= self.epsilon <= 1:
            raise ValueError(f"league.epsilon is {self.epsilon}: a probability lies in 0..1")
        if self.exploit_every < 0 or 0 < self.exploit_every < self.exploit_steps:
            raise ValueError(
                f"league.exploit_every is {self.exploit_every}: use 0 for no exploiters, or at least "
                f"league.exploit_steps ({self.exploit_steps}), since one is trained at a time"
            )


@dataclass(frozen=True, kw_only=True)
class SelfPlaySettings(Settings):
    """One run of deep Q-learning against its own past. `env` is judged as it says, and played by two in training."""

    parts: ClassVar[str] = "agents.selfplay.parts"
    league: LeagueSettings = field(default_factory=LeagueSettings)

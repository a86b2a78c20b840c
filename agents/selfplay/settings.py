"""All settings of self-play: those of deep Q-learning and of the league."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import tyro

from agents.dqn.settings import Settings
from training.settings import check_kinds


@dataclass(frozen=True, kw_only=True)
class LeagueSettings:
    """How opponents are chosen. Games left over by `snapshots` and `exploiters` are against the newest weights.

    Raises:
        ValueError: a setting is out of its range.
    """

    snapshot_every: int = 25_000  # agent steps between two frozen copies of the learner
    latest_every: int = 2_000  # agent steps between two updates of the newest weights that opponents use
    snapshots: float = 0.5  # share of games against frozen copies, drawn by difficulty
    exploiters: float = 0.0  # share of games against frozen exploiters, drawn by difficulty
    power: float = 2.0  # p in (1 - win rate)^p, the weight of a frozen opponent; 0 draws uniformly
    size: int = 30  # frozen opponents kept; when full, the one that loses most is replaced
    epsilon: float = 0.02  # probability of a random action of an opponent
    exploit_every: int = 0  # agent steps between the starts of two exploiters; 0 trains none
    exploit_steps: int = 50_000  # agent steps of an exploiter against a frozen copy of the learner
    # Not an option: set by the driver for a fleet's runners, the league's folder on storage shared by all nodes.
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
    """One run of deep Q-learning against its own past. In training `env` is played by two, in evaluation as it is."""

    parts: ClassVar[str] = "agents.selfplay.parts"
    league: LeagueSettings = field(default_factory=LeagueSettings)

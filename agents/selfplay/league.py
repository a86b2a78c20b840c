"""The league: frozen policies of a run, the learner's results against each, and the probabilities to meet them."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from agents.selfplay.opponents import LATEST, RATINGS, RESULTS, write_weights
from agents.selfplay.ratings import elo, pfsp
from agents.selfplay.settings import LeagueSettings
from training.arrays import Arrays
from training.storage.files import write_json

DECAY = 0.5  # factor on earlier results at each snapshot, since the learner has changed
SNAPSHOT, EXPLOITER = "snapshot", "exploiter"


@dataclass
class Member:
    """A frozen policy, and the learner's results against it: a win counts 1, a draw 1/2."""

    kind: str
    agent_steps: int  # of the learner when frozen; for an exploiter, those of its victim
    points: float = 0.0  # of the learner, decayed by DECAY
    games: float = 0.0
    beaten: dict[str, list[float]] = field(default_factory=dict)  # snapshots only: [points, games] by name when frozen

    @property
    def win_rate(self) -> float:
        """Win rate of the learner, smoothed by one additional win and loss."""
        return (self.points + 1.0) / (self.games + 2.0)


class League:
    """Members by name, mirrored in a folder from which opponents load them."""

    def __init__(self, settings: LeagueSettings, folder: Path) -> None:
        self.settings, self.folder = settings, folder
        self.members: dict[str, Member] = {}
        self.weights: dict[str, Arrays] = {}  # of the members, and the learner's newest
        self.frozen_at = self.renewed_at = 0  # agent steps
        self.origin = 0.0  # Elo of the oldest current member, relative to the first member ever
        self._read: dict[str, int] = {}  # bytes already counted of each results file
        shutil.rmtree(folder / RESULTS, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        self.write()

    def renew(self, agent_steps: int, weights: Arrays) -> None:
        """Publish the learner's newest weights."""
        self.renewed_at, self.weights[LATEST] = agent_steps, weights
        write_weights(self.folder, LATEST, weights)
        self.write()

    def freeze(self, name: str, kind: str, agent_steps: int, weights: Arrays) -> None:
        """Add a member, replacing the easiest one if the league is full. A snapshot records the learner's results."""
        self._tidy()
        member = Member(kind, agent_steps)
        if kind == SNAPSHOT:
            self.frozen_at = agent_steps
            member.beaten = {other: [m.points, m.games] for other, m in self.members.items() if m.games}
            for other in self.members.values():
                other.points, other.games = DECAY * other.points, DECAY * other.games
        while len(self.members) >= self.settings.size:  # more than one where a resumed run has a smaller league
            easiest, rated = max(self.members, key=lambda other: self.members[other].win_rate), self.elo()
            del self.members[easiest], self.weights[easiest]
            self.origin = rated[next(iter(self.members))]
        self.members[name], self.weights[name] = member, weights
        write_weights(self.folder, name, weights)
        self.write()

    def _tidy(self) -> None:
        """Delete the weights of former members, which have not been drawn since the last freeze."""
        for file in self.folder.glob("*.npz"):
            if file.stem not in {*self.members, LATEST}:
                file.unlink(missing_ok=True)

    def count(self) -> int:
        """Count the results added since the last call; return their number."""
        found = 0
        for file in sorted((self.folder / RESULTS).glob("*.tsv")):
            with file.open("rb") as source:
                source.seek(self._read.get(file.name, 0))
                whole = source.read().rpartition(b"\n")[0]
            lines = whole.decode().splitlines()
            self._read[file.name] = self._read.get(file.name, 0) + len(whole) + bool(whole)
            for line in lines:
                name, points = line.split("\t")
                if name in self.members:
                    self.members[name].points += 0.5 + 0.5 * float(np.sign(float(points)))
                    self.members[name].games += 1
            found += len(lines)
        return found

    def draw(self) -> dict[str, float]:
        """Return each opponent's probability. The share of a kind without members goes to the newest weights."""
        if LATEST not in self.weights:
            return {}
        shares = {SNAPSHOT: self.settings.snapshots, EXPLOITER: self.settings.exploiters}
        found: dict[str, float] = {}
        for kind, share in shares.items():
            names = [name for name, member in self.members.items() if member.kind == kind]
            if names and share:
                rates = np.array([self.members[name].win_rate for name in names])
                found |= dict(zip(names, (share * pfsp(rates, self.settings.power)).tolist(), strict=True))
        left = 1.0 - sum(found.values())
        return {name: p for name, p in {LATEST: max(left, 0.0), **found}.items() if p > 1e-9}

    def elo(self) -> dict[str, float]:
        """Return Elo ratings of the members from the snapshots' results when frozen; the first member ever has 0."""
        names = [*self.members]
        points = np.zeros((len(names), len(names)))
        games = np.zeros_like(points)
        for i, name in enumerate(names):
            for other, (won, played) in self.members[name].beaten.items():
                if other in names:
                    j = names.index(other)
                    points[i, j] += won
                    points[j, i] = points[j, i] + played - won
                    games[i, j] += played
                    games[j, i] += played
        rated = self.origin + elo(points, games) if len(names) > 1 else np.full(len(names), self.origin)
        return dict(zip(names, rated.tolist(), strict=True))

    def write(self) -> None:
        """Write the current league to the folder, for opponents and for inspection."""
        draw, rated = self.draw(), self.elo()
        members = [
            {"name": name, "kind": m.kind, "agent_steps": m.agent_steps, "games": round(m.games, 1)}
            | {"win_rate": round(m.win_rate, 4), "draw": round(draw.get(name, 0.0), 4), "elo": round(rated[name], 1)}
            for name, m in self.members.items()
        ]
        total = sum(draw.values())
        normed = {name: p / total for name, p in draw.items()}
        write_json(self.folder / RATINGS, {"agent_steps": self.renewed_at, "draw": normed, "members": members})

    def scalars(self) -> dict[str, float]:
        """Return the scalars for TensorBoard."""
        if not self.members:
            return {}
        rates = [member.win_rate for member in self.members.values()]
        found = {"members": len(rates), "win_rate_mean": float(np.mean(rates)), "win_rate_worst": min(rates)}
        snapshots = [value for name, value in self.elo().items() if self.members[name].kind == SNAPSHOT]
        if snapshots:
            found["elo_of_newest_snapshot"] = snapshots[-1]
        return {f"league/{name}": value for name, value in found.items()}

    def state(self) -> dict[str, Any]:
        """Return everything that `load_state` needs, weights included, so that a checkpoint needs no folder."""
        members = {name: asdict(member) for name, member in self.members.items()}
        clocks = {"frozen_at": self.frozen_at, "renewed_at": self.renewed_at, "origin": self.origin}
        return {"members": members, "weights": dict(self.weights), **clocks}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore the league from `state`, and rewrite its folder."""
        self.members = {name: Member(**member) for name, member in state["members"].items()}
        self.weights = dict(state["weights"])
        self.frozen_at, self.renewed_at = state["frozen_at"], state["renewed_at"]
        self.origin = state.get("origin", 0.0)  # absent from older checkpoints
        shutil.rmtree(self.folder / RESULTS, ignore_errors=True)
        self._read = {}
        for name, weights in self.weights.items():
            write_weights(self.folder, name, weights)
        self.write()

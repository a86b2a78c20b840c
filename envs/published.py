"""Published results in the same games: learning curves by frames, and scores after many frames."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from envs.atari import game_name

CURVES_ARE = "mean return of training games, sticky actions 0.25, 5 seeds (google/dopamine baselines)"
PROTOCOLS = {"N": "no-op starts", "S": "sticky actions 0.25"}


class PublishedCurve(NamedTuple):
    """Raw scores of one agent in one game, of the kind described by `CURVES_ARE`."""

    agent: str
    frames: NDArray[np.float64]  # [P] emulator frames, rising
    scores: NDArray[np.float64]  # [P]

    def at(self, frames: float) -> float | None:
        """Return the interpolated score after `frames`; None outside the published range."""
        inside = self.frames[0] <= frames <= self.frames[-1]
        return float(np.interp(frames, self.frames, self.scores)) if inside else None


class PublishedScore(NamedTuple):
    """A published raw score of a system in one game."""

    system: str
    protocol: str
    frames: float | None  # emulator frames of training; None if the source does not give them
    score: str  # as published; a leading "~" marks a second-hand quote
    source: str


def published_curves(env: str) -> list[PublishedCurve]:
    """Return all curves of a game, in any spelling of its name; empty if none are published."""
    points: dict[str, list[tuple[float, float]]] = {}
    for row in _rows("dopamine_curves.csv"):
        if _known_as(row["game"]) == _known_as(env):
            points.setdefault(row["agent"], []).append((1e6 * float(row["frames_millions"]), float(row["return"])))
    return [PublishedCurve(agent, *np.array(sorted(curve)).T) for agent, curve in points.items()]


def published_scores(env: str) -> list[PublishedScore]:
    """Return all scores of one of the seven games of Mnih et al. (2013); empty for others."""
    found = []
    for row in _rows("published_scores.csv"):
        score = row.get(_known_as(env) or "", "")
        if score:
            frames = 1e6 * float(row["frames_millions"]) if row["frames_millions"] else None
            protocol = PROTOCOLS[row["protocol"]]
            found.append(PublishedScore(row["system"], protocol, frames, score, row["source"]))
    return found


@cache
def _known_as(env: str) -> str | None:
    return game_name(env)


@cache
def _rows(name: str) -> list[dict[str, str]]:
    lines = files("envs").joinpath("data", name).read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))

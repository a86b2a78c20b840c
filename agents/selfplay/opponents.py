"""Opponents: frozen policies, loaded from a league's folder, that play the other side. Legend: E envs, A actions.

The folder is the only channel between a league and the runners that play against it, in one process or across nodes:
`ratings.json` holds the probability of every policy, NAME.npz its weights, and each runner appends its results to a
file of its own in `results/`. All other files are replaced atomically, so readers need no lock. The weights of a
removed member stay for a while; a reader that finds them missing reads `ratings.json` again.
"""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.acting.policy import QPolicy
from agents.parts import make_policy
from agents.replay.frames import FrameStack, colours_of, to_blocks
from agents.selfplay.settings import SelfPlaySettings
from envs.base import EnvSpec
from training.arrays import Arrays
from training.storage.files import whole, write_json

RATINGS, RESULTS = "ratings.json", "results"
LATEST = "latest"  # the learner's newest weights; those of all other names never change
RANDOM = ""  # random actions, while there is no policy yet


def write_weights(folder: Path, name: str, weights: Arrays) -> None:
    """Write the weights of an opponent atomically."""
    with whole(folder / f"{name}.npz") as part:
        np.savez(part, allow_pickle=False, **weights)


def read_weights(folder: Path, name: str) -> Arrays:
    """Read weights written by `write_weights`."""
    with np.load(folder / f"{name}.npz", allow_pickle=False) as saved:
        return {key: saved[key] for key in saved.files}


def write_alone(folder: Path, name: str, weights: Arrays) -> None:
    """Create a league folder with a single policy."""
    folder.mkdir(parents=True, exist_ok=True)
    write_weights(folder, name, weights)
    write_json(folder / RATINGS, {"draw": {name: 1.0}, "members": []})


class LeagueOpponents:
    """Policies of a league, one drawn for every game.

    Args:
        settings: of the learner; the policies have the same network.
        report: append the result of every game to the league's results.

    Raises:
        ValueError: there is no league in the folder.
    """

    name = "league"

    def __init__(self, folder: Path, settings: SelfPlaySettings, spec: EnvSpec, *, report: bool = True) -> None:
        if not (folder / RATINGS).exists():
            raise ValueError(f"there is no league in {folder}: put --run-dir on storage that every node sees")
        self.folder, self.settings, self.spec = folder, settings, spec
        self.file = folder / RESULTS / f"{secrets.token_hex(8)}.tsv" if report else None
        self.policies: dict[str, QPolicy] = {}

    def start(self, seed: int, num_envs: int) -> None:
        """Begin games in all envs; unfinished games are discarded."""
        self.rng = np.random.default_rng([seed, 3])
        self.stack = FrameStack(self.settings.network.stack)
        self.against = np.full(num_envs, RANDOM, object)
        self.ended: list[tuple[str, float]] = []
        self.read = ""  # text of the ratings as last read

    def answer(self, frame: NDArray[Any], first: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return epsilon-greedy actions with `league.epsilon`; see `envs.two_players.Opponents.answer`."""
        obs = self.stack.push(to_blocks(frame, colours_of(self.spec.frame_shape)), first)
        if self.ended:
            self._report()
        if first.any():
            self._read()
            self.against[first] = self.rng.choice(self.names, int(first.sum()), p=self.draw)
        action = self.rng.integers(self.spec.num_actions, size=len(first))
        greedy = self.rng.random(len(first)) >= self.settings.league.epsilon
        for name in sorted(set(self.against) - {RANDOM}):
            rows = np.flatnonzero((self.against == name) & greedy)
            if len(rows):
                action[rows] = self.policies[name].values(obs[rows]).argmax(1)
        return action

    def over(self, env: int, points: float) -> None:
        """Record the result of a game; it is written at the next step."""
        self.ended.append((str(self.against[env]), points))

    def _report(self) -> None:
        if self.file is not None:
            self.file.parent.mkdir(exist_ok=True)
            with self.file.open("a") as out:
                out.write("".join(f"{name}\t{points}\n" for name, points in self.ended))
        self.ended = []

    def _read(self) -> None:
        """Reload the league if it has changed."""
        while (text := (self.folder / RATINGS).read_text()) != self.read:
            try:
                self._take_over(json.loads(text)["draw"] or {RANDOM: 1.0})
            except OSError:  # a member was removed, and its file deleted, after the text was read
                if (self.folder / RATINGS).read_text() == text:
                    raise
            else:
                self.read = text
                return

    def _take_over(self, draw: dict[str, float]) -> None:
        self.names, self.draw = np.array([*draw], object), np.array([*draw.values()])
        wanted = {*draw, *self.against} - {RANDOM}
        self.policies = {name: policy for name, policy in self.policies.items() if name in wanted - {LATEST}}
        for name in sorted(wanted - self.policies.keys()):
            policy = make_policy(self.settings, self.spec)
            policy.load(read_weights(self.folder, name))
            self.policies[name] = policy

"""Evaluation of a policy: frozen weights, a fixed epsilon, an exact number of whole games, raw scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from threading import Event
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from agents.acting.policy import Policy
from agents.evaluation.games import Games
from agents.evaluation.protocol import evaluation_seed, protocol_env
from agents.settings import AgentSettings, EvaluationSettings
from envs import make_env
from envs.atari import game_name
from envs.base import BatchedEnv, EnvSettings
from envs.scores import human_normalised, reference_scores

GROUP = 25  # most envs in a group
Rules = Mapping[str, str | int | float | bool]  # `BatchedEnv.protocol`


class Scores(NamedTuple):
    """Raw scores and lengths of N whole games, in the order (env, game)."""

    scores: NDArray[np.float64]  # [N]
    steps: NDArray[np.int64]  # [N] agent steps
    frames: NDArray[np.int64]  # [N] emulator frames
    protocol: dict[str, Any]

    def summary(self) -> dict[str, Any]:
        """Return the entries of the run's record; `human_normalised` is of the mean, None without a human score."""
        mean, game = float(self.scores.mean()), str(self.protocol.get("game"))
        return {
            "protocol": self.protocol,
            "episodes": len(self.scores),
            "mean": mean,
            "std": float(self.scores.std()),
            "min": float(self.scores.min()),
            "max": float(self.scores.max()),
            "human_normalised": float(human_normalised(game, mean)) if game in reference_scores() else None,
            "scores": self.scores.tolist(),
            "episode_frames": self.frames.tolist(),
        }


def summary_line(result: dict[str, Any]) -> str:
    """Return an evaluation's record as one line of text."""
    score = f"{result['mean']:.2f} over {result['episodes']} games ({result['min']:.0f} to {result['max']:.0f})"
    if result["human_normalised"] is not None:
        score += f", human-normalised {result['human_normalised']:.2f}"
    rules = result["protocol"]
    if rules["name"] == "machado" and rules.get("action_set") == "minimal":
        score += "; with minimal actions: only a policy trained with --full-actions plays machado's 18"
    return score


def evaluate(
    policy: Policy,
    env: BatchedEnv,
    settings: EvaluationSettings,
    *,
    episodes: int,
    seed: int,
    on_step: Callable[[int], None] = lambda done: None,
) -> Scores:
    """Play exactly `episodes` games, the same number in every env, so that short games are not over-represented.

    Args:
        on_step: called after every step with the number of finished games.

    Raises:
        ValueError: `episodes` is not a multiple of the number of envs.
    """
    games = Games(policy, settings, env.num_envs, episodes=episodes, seed=seed, on_step=on_step)
    games.play(env, 0, evaluation_seed(seed))
    return _scores(games, env.protocol, settings)


def _scores(games: Games, rules: Rules, settings: EvaluationSettings) -> Scores:
    protocol = {"name": settings.protocol, "epsilon": settings.epsilon, **rules}
    return Scores(games.score.ravel(), games.steps.ravel(), games.frames.ravel(), protocol)


def envs_for(episodes: int, most: int = 50) -> int:
    """Return the largest number of envs up to `most` that divides `episodes`.

    Raises:
        ValueError: `episodes` is below 1.
    """
    if episodes < 1:
        raise ValueError(f"episodes is {episodes}: play 1 or more")
    return max(n for n in range(1, min(episodes, most) + 1) if episodes % n == 0)


def evaluate_policy(
    policy: Policy,
    settings: AgentSettings,
    *,
    episodes: int,
    threads: int,
    rules: EnvSettings | None = None,
    on_step: Callable[[int], None] = lambda done: None,
) -> Scores:
    """Build envs for `rules` (by default the settings' protocol), `evaluate` the policy in them and close them.

    Atari games are played in groups of at most 25 envs, `threads` groups at a time, so that the emulators of one group
    overlap with the network of another. Scores do not depend on the number of threads. Other envs form one group: they
    are stepped in Python, where threads would only wait for each other.
    """
    rules, num_envs = rules or protocol_env(settings), envs_for(episodes)
    games = Games(policy, settings.evaluation, num_envs, episodes=episodes, seed=settings.seed, on_step=on_step)

    def play(group: NDArray[np.int64]) -> Rules:
        first = int(group[0])
        env = make_env(rules, len(group))
        try:
            games.play(env, first, evaluation_seed(settings.seed) + first)
        finally:
            env.close()
        return env.protocol

    groups = np.array_split(np.arange(num_envs), -(-num_envs // GROUP) if game_name(rules.id) else 1)
    if len(groups) == 1 or threads == 1:
        played = [play(group) for group in groups]
    else:
        played = _side_by_side(play, groups, games.stopped, threads)
    return _scores(games, played[0], settings.evaluation)  # all groups share `games` and the rules


def _side_by_side(
    play: Callable[[NDArray[np.int64]], Rules], groups: list[NDArray[np.int64]], stopped: Event, threads: int
) -> list[Rules]:
    """Play `threads` groups at a time, each in a thread; an exception or interrupt stops all of them."""
    before = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(threads, "games", torch.set_num_threads, (1,)) as pool:
            futures = [pool.submit(play, group) for group in groups]
            try:
                return [future.result() for future in as_completed(futures)]
            except BaseException:
                stopped.set()
                raise
    finally:
        torch.set_num_threads(before)  # the pool's setting also applies to later threads

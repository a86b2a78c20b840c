"""Score a trained policy on an Atari game with upscaled frames; print a Markdown table.

    python -m benchmarks.upscaled_play runs/pong-s0 runs/benchmark-upscaling/frames-...-0/generator --games 3

Every frame of 210x160 is sampled at one pixel of each 2x2 square, enlarged, and then made gray and 84x84 for the
policy. Greedy play, no sticky actions; the games of all cases have the same seeds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from agents.evaluation.evaluate import evaluate
from agents.evaluation.protocol import protocol_rules
from agents.playback.frames_dataset import player_of, player_policy
from agents.settings import EvaluationSettings
from cluster.workloads import settings_of_run
from envs.atari import AtariEnv, emulators
from envs.base import EnvSettings, TimeStep
from envs.colour import SCREEN
from gan.data.images import Pixels, to_float, to_uint8
from gan.export import load_generator
from gan.upscale.lowering import JITTER, SCALE, enlarged, sampled
from gan.upscale.networks import Upscaler

GRAY = np.array([0.2989, 0.5870, 0.1140])  # weights of red, green, blue, as in the emulator
Eye = Callable[[Pixels, NDArray[np.bool_]], Pixels]  # colour screens [E, 3, 210, 160], which are first -> screens


class SeenThrough(AtariEnv):
    """An Atari game whose colour screen passes through an `Eye` before it becomes gray and 84x84."""

    def __init__(self, settings: EnvSettings, num_envs: int, eye: Eye) -> None:
        super().__init__(settings, num_envs)
        self._ale.close()
        self._ale = emulators(self._game, settings, num_envs, 1, screen=SCREEN, grayscale=False)
        self._eye, side = eye, self.spec.frame_shape[0]
        self._down, self._across = area(SCREEN[0], side), area(SCREEN[1], side)

    def _observe(
        self,
        screen: NDArray[np.uint8],
        reward: NDArray[np.int32],
        terminated: NDArray[np.bool_],
        info: dict[str, NDArray[np.int32]],
        first: NDArray[np.bool_],
    ) -> TimeStep:
        seen = self._eye(np.ascontiguousarray(screen[:, 0].transpose(0, 3, 1, 2)), first)
        gray = np.tensordot(GRAY, seen.astype(np.float64), (0, 1)).round()
        small = (self._down @ gray @ self._across.T).round().astype(np.uint8)
        return super()._observe(small[:, None], reward, terminated, info, first)


def area(size: int, side: int) -> NDArray[np.float64]:
    """Return weights [side, size] of area resampling: each of `side` pixels is the mean of the pixels it covers."""
    edges = np.arange(side + 1) * size / side
    low, high = np.arange(size)[None], np.arange(size)[None] + 1
    covered = np.minimum(edges[1:, None], high) - np.maximum(edges[:-1, None], low)
    weights: NDArray[np.float64] = covered.clip(0) * side / size
    return weights


class Plain:
    """Returns true frames, or samples and enlarges each frame separately."""

    def __init__(self, mode: str) -> None:
        self.mode, self.time = mode, 0

    def __call__(self, screens: Pixels, first: NDArray[np.bool_]) -> Pixels:
        """See `Eye`."""
        if self.mode == "true":
            return screens
        small = sampled(torch.from_numpy(screens), self.time)
        self.time += 1
        return enlarged(small[:, None], self.mode).numpy()


class Upscaled:
    """Enlarges frames by the network, from the last samples of each place and its last output."""

    def __init__(self, network: Upscaler) -> None:
        self.network, self.time = network, 0
        self.places = self.previous = torch.empty(0)

    @torch.inference_mode()
    def __call__(self, screens: Pixels, first: NDArray[np.bool_]) -> Pixels:
        """See `Eye`."""
        new, fresh = sampled(torch.from_numpy(screens), self.time), torch.from_numpy(first)[:, None, None, None, None]
        every = new[:, :, None].expand(-1, -1, SCALE**2, -1, -1)
        if self.time == 0:
            self.places, self.previous = every, torch.zeros(screens.shape)  # replaced below: all are fresh
        self.places = torch.where(fresh, every, self.places)
        row, column = JITTER[self.time % len(JITTER)]
        self.places[:, :, row * SCALE + column] = new
        last = (every if self.network.settings.seen == 1 else self.places).flatten(1, 2)
        self.previous = torch.where(fresh[..., 0], F.pixel_shuffle(to_float(last), SCALE), self.previous)
        self.previous = self.network.frame(last, self.time, self.previous)
        self.time += 1
        return to_uint8(self.previous).numpy()


def scores_of(run: str, eye: Eye | None, games: int) -> list[float]:
    """Return scores of the run's policy in `games` games through an `Eye`, or in `AtariEnv` itself."""
    player = player_of(run, settings_of_run)
    rules = protocol_rules(player.rules, "classic")
    env = AtariEnv(rules, games) if eye is None else SeenThrough(rules, games, eye)
    policy = player_policy(player, env.spec, np.random.default_rng(0))
    found = evaluate(policy, env, EvaluationSettings(), episodes=games, seed=0)  # greedy
    env.close()
    scores: list[float] = found.scores.tolist()
    return scores


def main() -> None:
    """Play every case."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("run", help="directory of a run that trained a policy of an Atari game")
    options.add_argument("generators", type=Path, nargs="+", help="folders that `train upscale-frames` exported")
    options.add_argument("--games", type=int, default=3)
    asked = options.parse_args()
    torch.set_num_threads(1)
    cases: dict[str, Eye | None] = {"none: the emulator's own frames": None}
    cases |= {f"{mode} frames" if mode == "true" else mode: Plain(mode) for mode in ("true", "nearest", "bicubic")}
    for folder in asked.generators:
        found: Any = load_generator(folder).network
        if found.frames == 1:
            raise SystemExit(f"{folder} enlarges photographs: name generators of `train upscale-frames`")
        cases[f"network of {folder.absolute().parent.name}"] = Upscaled(found)
    print(f"| eye | mean score of {asked.games} games | each | processor seconds |\n|---|---|---|---|")
    for name, eye in cases.items():
        start = time.process_time()
        scores = scores_of(asked.run, eye, asked.games)
        each = ", ".join(f"{score:g}" for score in scores)
        print(f"| {name} | {np.mean(scores):.2f} | {each} | {time.process_time() - start:.0f} |", flush=True)


if __name__ == "__main__":
    main()

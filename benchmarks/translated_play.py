"""Score a policy on a game with changed frames, seen through a translator trained without pairs.

    python -m benchmarks.translated_play --policy runs/pong-s0 --out runs/benchmark-translated

Frames are moved to the second domain of the preset `cycle-frames` (--second) and translated back, and the policy of a
run acts on the result. Controls: the true frames, the exact inverse of the rule, and untranslated frames of the second
domain. The translator is trained first, unless --translator names a run; finished work is not repeated. Prints a table
and the cycle error with noise on the intermediate image, and writes a video.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import imageio.v2 as imageio
import numpy as np
import torch
from numpy.typing import NDArray

from agents.acting.episodes import play
from agents.acting.policy import Policy
from agents.evaluation.evaluate import evaluate
from agents.evaluation.protocol import evaluation_seed, protocol_env
from agents.saved_policy import open_run
from agents.settings import AgentSettings
from benchmarks.gan_families import ENDLESS, trained
from cluster.workloads import settings_of_run
from envs import BatchedEnv, EnvSpec, make_env
from envs.base import TimeStep
from gan.cycle.domains import Second, moved, moved_back
from gan.cycle.networks import Shown
from gan.data.images import to_float, to_uint8
from gan.export import load_generator
from training.storage import checkpoint
from training.storage.files import crc_of_file, whole, write_json

NOISE = (0.0, 0.02, 0.05, 0.1)  # standard deviations of noise on the intermediate image, as shares of a pixel's range
FILMED = 450  # agent steps: half a minute
SCALE = 4  # pixels of the video per pixel of a frame
Frames = NDArray[np.uint8]
Change = Callable[[Frames], Frames]


class Disguised:
    """A game with changed frames [E, H, W]; see `BatchedEnv`."""

    def __init__(self, env: BatchedEnv, change: Change) -> None:
        self.env, self.change, self.num_envs = env, change, env.num_envs
        self.spec: EnvSpec = env.spec
        self.protocol: Mapping[str, str | int | float | bool] = env.protocol

    def reset(self, seed: int) -> TimeStep:
        """Reset the game."""
        return self._changed(self.env.reset(seed))

    def step(self, action: NDArray[Any]) -> TimeStep:
        """Step the game."""
        return self._changed(self.env.step(action))

    def _changed(self, step: TimeStep) -> TimeStep:
        return step._replace(frame=self.change(step.frame))

    def render(self) -> NDArray[np.uint8]:
        """Render the original game."""
        return self.env.render()

    def close(self) -> None:
        """Close the game."""
        self.env.close()


@torch.inference_mode()
def translated(network: Shown, frames: Frames) -> Frames:
    """Translate frames [E, H, W] of the second domain to the first."""
    found: Frames = to_uint8(network.pair.back(to_float(torch.from_numpy(frames[:, None]))))[:, 0].numpy()
    return found


def changes(network: Shown, second: Second) -> dict[str, Change]:
    """Return the change of the true frames in each case."""
    return {
        "true frames": lambda frames: frames,
        "translated": lambda frames: translated(network, moved(frames, second)),
        "exact inverse": lambda frames: moved_back(moved(frames, second), second),
        "as they are": lambda frames: np.ascontiguousarray(moved(frames, second)),
    }


def played(policy: Policy, settings: AgentSettings, change: Change, games: int, file: Path) -> dict[str, Any]:
    """Play whole games with changed frames, once; return raw scores, agent steps and CPU seconds, cached in `file`."""
    if not file.exists():
        env = Disguised(make_env(protocol_env(settings), games), change)
        start = time.process_time()
        found = evaluate(policy, env, settings.evaluation, episodes=games, seed=settings.seed)
        env.close()
        used = {"steps": int(found.steps.sum()), "cpu_seconds": time.process_time() - start}
        write_json(file, {"scores": found.scores.tolist(), **used})
    kept: dict[str, Any] = json.loads(file.read_text())
    return kept


@torch.inference_mode()
def cycle_errors(network: Shown, seed: int = 0) -> list[tuple[float, float, float]]:
    """Return mean cycle errors per noise level: first domain, second domain, and of the noise alone (for a copy).

    Errors are shares of a pixel's range. Noise is added to the intermediate image: a translator that hides the original
    in faint patterns loses it (Chu et al. 2017).
    """
    rng, rows = torch.Generator().manual_seed(seed), []
    pair = network.pair
    first, second = to_float(network.shelf)
    for level in NOISE:
        found = []
        for images, there, again in ((first, pair.forth, pair.back), (second, pair.back, pair.forth)):
            between = there(images).clamp(-1, 1)
            noise = 2 * level * torch.randn(between.shape, generator=rng)
            found.append(float((again((between + noise).clamp(-1, 1)).clamp(-1, 1) - images).abs().mean()) / 2)
        rows.append((found[0], found[1], level * (2 / np.pi) ** 0.5))
    return rows


def film(policy: Policy, settings: AgentSettings, network: Shown, second: Second, file: Path) -> None:
    """Record a video of the second domain's frames, their translations, which the policy sees, and the true ones."""
    true: list[Frames] = []

    def change(frames: Frames) -> Frames:
        true.append(frames)
        return translated(network, moved(frames, second))

    env = Disguised(make_env(protocol_env(settings), 1), change)
    with whole(file) as part:
        writer: Any = imageio.get_writer(part, fps=15, macro_block_size=2)
        with writer as video:
            for (step, _), _ in zip(
                play(env, policy, None, evaluation_seed(settings.seed)), range(FILMED), strict=False
            ):
                shown = np.concatenate([moved(true[-1], second)[0], step.frame[0], true[-1][0]], 1)
                video.append_data(np.stack([shown.repeat(SCALE, 0).repeat(SCALE, 1)] * 3, -1))
    env.close()


def translator_of(second: str, images: int | None, seed: int, run: Path) -> Path:
    """Start or resume a run of `cycle-frames` unless it is finished; return its directory."""
    given = [] if images is None else [f"--images={images}"]
    trained("cycle-frames", [f"--second={second}", f"--seed={seed}", *ENDLESS, *given], run)
    return run


def main() -> None:
    """Train the translator, play with it and with its controls, print the tables, write the video."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--policy", type=Path, required=True, help="run directory of a policy that plays the game")
    options.add_argument("--translator", type=Path, help="run directory; default: one that is trained under --out")
    options.add_argument("--second", choices=("striped", "inverted", "mirrored"), default="striped")
    options.add_argument("--images", type=int, help="of the translator's training; default: the preset's")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--games", type=int, default=2, help="of each case")
    options.add_argument("--out", type=Path, default=Path("runs/benchmark-translated"))
    asked = options.parse_args()
    torch.set_num_threads(1)
    name = f"{asked.second}-{asked.images or 'preset'}-{asked.seed}"
    run = asked.translator or translator_of(asked.second, asked.images, asked.seed, asked.out / name)
    exported = load_generator(run / "generator")
    network, second = exported.network, exported.settings.second
    player = open_run(asked.policy, settings_of_run, f"{asked.policy} plays no game")
    policy, settings = player.policy(), player.settings
    generator = crc_of_file(run / "generator" / "generator.safetensors")
    weights = generator ^ checkpoint.checksum(player.path)  # identifies results
    results = asked.out / f"played-{run.name}-by-{asked.policy.resolve().name}-{asked.games}-{weights:08x}"
    results.mkdir(parents=True, exist_ok=True)
    print(f"| {second} | mean score | scores | agent steps | CPU seconds |\n|---|---|---|---|---|")
    for case, change in changes(network, second).items():
        found = played(policy, settings, change, asked.games, results / f"{case.replace(' ', '-')}.json")
        scores = ", ".join(f"{score:.0f}" for score in found["scores"])
        mean = float(np.mean(found["scores"]))
        print(f"| {case} | {mean:.1f} | {scores} | {found['steps']:,} | {found['cpu_seconds']:.0f} |", flush=True)
    print("\n| noise on the image between | error, first domain | second | of the noise alone |\n|---|---|---|---|")
    for level, (first, other, alone) in zip(NOISE, cycle_errors(network), strict=True):
        print(f"| {level} | {first:.4f} | {other:.4f} | {alone:.4f} |")
    if not (results / "translated.mp4").exists():
        film(policy, settings, network, second, results / "translated.mp4")


if __name__ == "__main__":
    main()

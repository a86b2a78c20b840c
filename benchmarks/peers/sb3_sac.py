"""Train stable-baselines3's SAC with its default settings on a Gymnasium env, for `--minutes` of wall-clock time.

    python -m benchmarks.peers.sb3_sac --env HalfCheetah-v5 --minutes 10 --seed 0 --out sb3.json

The time limit counts from the start of the process and ends training; whole episodes of the mean action follow. SB3's
defaults are two hidden layers of 256 units, batches of 256, and an update for every step.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

STARTED = time.monotonic()

import stable_baselines3  # noqa: E402
import torch  # noqa: E402
from stable_baselines3 import SAC  # noqa: E402
from stable_baselines3.common.callbacks import BaseCallback  # noqa: E402
from stable_baselines3.common.evaluation import evaluate_policy  # noqa: E402

from envs.gait import quiet_mujoco  # noqa: E402
from training.storage.files import whole  # noqa: E402
from training.storage.provenance import hardware  # noqa: E402


class Clock(BaseCallback):
    """Stops training after `seconds`, and records the time and return of every episode."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self.curve: list[tuple[float, int, float]] = []  # seconds, agent steps, return

    def _on_step(self) -> bool:
        now = time.monotonic() - STARTED
        for info in self.locals["infos"]:
            if "episode" in info:
                self.curve.append((round(now, 2), self.num_timesteps, float(info["episode"]["r"])))
        return now < self.seconds


def main() -> None:
    """Train, evaluate, and write one JSON file atomically."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", required=True)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="torch threads")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    quiet_mujoco(options.env)
    model, clock = SAC("MlpPolicy", options.env, seed=options.seed, device="cpu"), Clock(60 * options.minutes)
    model.learn(10**9, callback=clock, log_interval=10**9)
    trained = time.monotonic() - STARTED
    scores, _ = evaluate_policy(
        model, model.get_env(), n_eval_episodes=options.episodes, deterministic=True, return_episode_rewards=True
    )
    result = {
        "system": f"stable-baselines3 {stable_baselines3.__version__} SAC",
        **{"env": options.env, "seed": options.seed, "minutes": round(trained / 60, 2), "threads": options.threads},
        **{"mean": sum(scores) / len(scores), "scores": scores, "agent_steps": model.num_timesteps},
        **{"updates": model._n_updates, "curve": clock.curve, **hardware()},
    }
    with whole(options.out) as part:
        part.write_text(json.dumps(result))


if __name__ == "__main__":
    main()

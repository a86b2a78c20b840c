"""Compare GANs at equal numbers of images, each trained by its command; print a Markdown table of scores.

    python -m benchmarks.gan losses --images 100000             every loss, digits, one recipe each
    python -m benchmarks.gan losses-without-classes --images 100000      the same, unconditional
    python -m benchmarks.gan stacked --images 400000            coverage of 1,000 modes: control, packing, relativistic
    python -m benchmarks.gan schedulers --images 60000 --seeds 0 1 2     population against random search

Two trainings run at a time, one core each, since images are compared and not minutes. Interrupted trainings resume, and
trainings finished under --runs are not repeated.
"""

from __future__ import annotations

import argparse
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.trainings import going_on, judged, summary_of

DIGITS = ["digits", "--minutes=1e9", "--scores.every-images=0"]
RATE = ["--training.generator-rate=2e-4", "--training.discriminator-rate=2e-4", "--training.decay-from=1"]
ADAM = ["--training.beta1=0.5", "--training.beta2=0.999", *RATE]
NORM = "--network.discriminator-norm=batch"  # as in DCGAN, for losses without penalty
STACKED = ["stacked", "--minutes=1e9", "--scores.every-images=0"]
DENSE = "--network.discriminator-hidden=0"  # DCGAN has no dense layer
CONTROL = ["--loss.kind=nonsaturating", "--loss.penalty=none", NORM, DENSE, *ADAM]
Recipes = dict[str, list[str]]
# Penalties as in the papers, rates and momenta as usual for each loss, but always one discriminator update per
# generator update, where Gulrajani et al. (2017) have five.
LOSSES: Recipes = {
    "minimax": [*DIGITS, "--loss.kind=minimax", "--loss.penalty=none", NORM, *ADAM],
    "non-saturating": [*DIGITS, "--loss.kind=nonsaturating", "--loss.penalty=none", NORM, *ADAM],
    "non-saturating + R1": [*DIGITS, "--loss.kind=nonsaturating", "--loss.penalty=r1"],
    "non-saturating + R1 + R2": [*DIGITS, "--loss.kind=nonsaturating"],
    "least squares": [*DIGITS, "--loss.kind=least_squares", "--loss.penalty=none", NORM, *ADAM],
    "hinge + spectral norm": [
        *DIGITS, "--loss.kind=hinge", "--loss.penalty=none", "--network.discriminator-norm=spectral", *RATE,
    ],
    "Wasserstein + gradient penalty": [
        *DIGITS, "--loss.kind=wasserstein", "--loss.penalty=gradient", "--loss.weight=10", *RATE,
    ],
    "relativistic + R1 + R2": DIGITS,
}  # fmt: skip
# Conditional on classes of 350 images, GANs without penalty collapse to one digit per class (Shahbazi et al. 2022).
WITHOUT_CLASSES: Recipes = {name: [*recipe, "--network.no-conditional"] for name, recipe in LOSSES.items()}
COVERAGE: Recipes = {
    "DCGAN, the control": [*STACKED, *CONTROL],
    "DCGAN, packing 2": [*STACKED, *CONTROL, "--network.pack=2"],
    "relativistic + R1 + R2": STACKED,
}
SEARCH = ["--minutes=1e9", "--trials=4", "--rounds=6", "--concurrent=2", "--seeds=1"]
SCHEDULERS: Recipes = {name: ["digits", *SEARCH, f"--scheduler={name}"] for name in ("pbt", "random")}
SCORES = ("fd_clf", "fd_floor", "fd_floor_std", "kid_clf", "precision", "recall", "nn_ratio")
TABLES = {
    "losses": ("train", LOSSES, SCORES),
    "losses-without-classes": ("train", WITHOUT_CLASSES, SCORES),
    "stacked": ("train", COVERAGE, ("modes", "modes_floor", "mode_kl", "mode_kl_floor", "fd_clf", "fd_floor")),
    "schedulers": ("sweep", SCHEDULERS, ("select_fd_clf", "fd_clf", "fd_floor", "precision", "recall")),
}


def train(command: str, arguments: list[str], run: Path) -> dict[str, Any]:
    """Run one command unless it is finished; return its summary, or as `ended` the last line of its error."""
    if not judged(run):
        call = going_on([command, arguments[0]], run, arguments[1:])
        done = subprocess.run(call, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            return {"ended": (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]}
    summary = summary_of(run)
    return {**summary, **summary["eval"]}


def main() -> None:
    """Run the trainings of a table, then print it."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("table", choices=TABLES)
    options.add_argument("--images", type=int, required=True)
    options.add_argument("--seeds", type=int, nargs="+", default=[0])
    options.add_argument("--runs", type=Path, default=Path("runs/benchmark-gan"))
    asked = options.parse_args()
    command, recipes, columns = TABLES[asked.table]
    with ThreadPoolExecutor(1 if command == "sweep" else 2) as pool:
        found = {
            (name, seed): pool.submit(
                train,
                command,
                [*arguments, f"--images={asked.images}", f"--seed={seed}"],
                asked.runs / f"{asked.table}-{number}-{asked.images}-{seed}",
            )
            for number, (name, arguments) in enumerate(recipes.items())
            for seed in asked.seeds
        }
        print(f"| {asked.table} | seed | images | minutes | {' | '.join(columns)} |")
        print("|---|" + "---|" * (3 + len(columns)))
        for (name, seed), future in found.items():
            summary = future.result()
            scores = " | ".join(f"{summary[column]:.4g}" for column in columns if column in summary)
            minutes = f"{summary['seconds'] / 60:.1f}" if "seconds" in summary else summary["ended"]
            print(f"| {name} | {seed} | {summary.get('images', asked.images):,} | {minutes} | {scores} |", flush=True)


if __name__ == "__main__":
    main()

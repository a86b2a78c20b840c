"""Score a run's best generator with truncated latents; print a Markdown table.

    python -m benchmarks.gan_truncation runs/coupled-s0 runs/coupled-s1 --truncation 1 0.8 0.7 0.6

Scored on the report part, with as many images as a report has: mean and standard deviation over several such draws,
since one draw of 1,000 images deviates by 0.013 in precision. Seeds of noise differ from those of the run, and are the
same for every row.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cluster.gan_images import cache_of, images_of
from gan.export import load_generator
from gan.parts import parts_of

SEED = 5  # of the first draw
SHOWN = ("agreement", "agreement_unpaired", "fd_clf", "precision", "recall")


def truncated(run: Path, truncations: Sequence[float], draws: int) -> dict[float, dict[str, list[float]]]:
    """Return scores of each draw by truncation: those of SHOWN that the family has, also with "first_" or "second_"."""
    found = load_generator(run / "generator")
    data = images_of(found.settings.data, cache_of(run))
    judge = parts_of(found.settings).make_judge(found.settings, data, cache_of(run), "report")
    wanted = {name for shown in SHOWN for name in (shown, f"first_{shown}", f"second_{shown}")}
    rows = {}
    for truncation in truncations:
        each = [judge.score(found.sample(judge.count, SEED + draw, truncation)) for draw in range(draws)]
        rows[truncation] = {name: [float(scores[name]) for scores in each] for name in each[0] if name in wanted}
    return rows


def main() -> None:
    """Print the table, run by run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--truncation", type=float, nargs="+", default=[1.0, 0.8, 0.7, 0.6, 0.5])
    parser.add_argument("--draws", type=int, default=10)
    given = parser.parse_args()
    if given.draws < 2:
        parser.error(f"--draws is {given.draws}: a deviation needs 2 or more")
    for index, run in enumerate(given.runs):
        rows = truncated(run, given.truncation, given.draws)
        names = list(next(iter(rows.values())))
        if index == 0:
            print(f"| run | truncation | {' | '.join(names)} |\n|---|---|{'---|' * len(names)}")
        for truncation, scores in rows.items():
            shown = " | ".join(f"{np.mean(scores[name]):.4f} +- {np.std(scores[name], ddof=1):.4f}" for name in names)
            print(f"| {run.name} | {truncation} | {shown} |", flush=True)


if __name__ == "__main__":
    main()

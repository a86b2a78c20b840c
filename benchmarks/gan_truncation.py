"""What variety costs: a run's scores when latents lie nearer to their mean, as a Markdown table.

    python -m benchmarks.gan_truncation runs/coupled-s0 runs/coupled-s1 --truncation 1 0.8 0.7 0.6

As many images as a report has, of the best generator, by the judge of the report part; one seed of noise that is none
of a run's own, the same for every row.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from cluster.gan_images import cache_of, images_of
from gan.export import load_generator
from gan.parts import parts_of

SEED = 5
SHOWN = ("agreement", "agreement_unpaired", "fd_clf", "precision", "recall")


def truncated(run: Path, truncations: Sequence[float]) -> dict[float, dict[str, float]]:
    """Scores by truncation: those of SHOWN that the family's judge has, also behind "first_" and "second_"."""
    found = load_generator(run / "generator")
    data = images_of(found.settings.data, cache_of(run))
    judge = parts_of(found.settings).make_judge(found.settings, data, cache_of(run), "report")
    rows = {}
    for truncation in truncations:
        scores = judge.score(found.sample(judge.count, SEED, truncation))
        wanted = {name for shown in SHOWN for name in (shown, f"first_{shown}", f"second_{shown}")}
        rows[truncation] = {name: float(score) for name, score in scores.items() if name in wanted}
    return rows


def main() -> None:
    """A table, run by run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--truncation", type=float, nargs="+", default=[1.0, 0.8, 0.7, 0.6, 0.5])
    given = parser.parse_args()
    for index, run in enumerate(given.runs):
        rows = truncated(run, given.truncation)
        names = list(next(iter(rows.values())))
        if index == 0:
            print(f"| run | truncation | {' | '.join(names)} |\n|---|---|{'---|' * len(names)}")
        for truncation, scores in rows.items():
            shown = " | ".join(f"{scores[name]:.3f}" for name in names)
            print(f"| {run.name} | {truncation} | {shown} |", flush=True)


if __name__ == "__main__":
    main()

"""Plot several runs of one preset in one figure, for the README.

python -m benchmarks.curves docs/pong.png runs/pong-s0 runs/pong-s1 runs/pong-s2
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

from training.storage.curve import save_figure, subplots


def main(picture: Path, runs: list[Path]) -> None:
    """Plot scores over wall-clock minutes, a colour per run, with the closing evaluation as a dot."""
    figure, axes = subplots(figsize=(8, 4))
    for index, run in enumerate(runs):
        summary = json.loads((run / "summary.json").read_text())
        with (run / "curve.csv").open() as source:
            rows = [row for row in csv.DictReader(source) if row["low_epsilon"]]
        minutes = [float(row["seconds"]) / 60 for row in rows]
        colour = f"C{index}"
        axes.plot(minutes, [float(row["low_epsilon"]) for row in rows], color=colour, label=f"seed {summary['seed']}")
        ended = summary["seconds_with_evaluation"] / 60
        axes.plot(ended, summary["eval"]["mean"], "o", color=colour)
    axes.axhline(18, color="0.6", linestyle=":")
    axes.set(
        xlabel="minutes of wall clock, start-up and closing evaluation included",
        ylabel="raw score",
        title="Pong from pixels on two CPU cores\n(lines: games while learning; dots: 100 greedy games)",
    )
    axes.legend(loc="upper left")
    axes.grid(alpha=0.3)
    save_figure(figure, picture, dpi=110)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(run) for run in sys.argv[2:]])

"""Layout of TensorBoard's first tab, columns of curve.csv, and the plot of the curve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agents.evaluation.judged import CLOSING
from agents.imitation.settings import DatasetSettings
from training.settings import flat
from training.storage.csv_table import rows_of
from training.storage.curve import save_figure, subplots

COLUMNS = ("frames", "updates", "loss", "accuracy", "held_out_loss", "held_out_accuracy")
RESULTS = (CLOSING, "learner/held_out_accuracy", "learner/held_out_loss", "run/samples_per_second")
NOT_TUNED = ("minutes", "checkpoint_minutes", "evaluation.")
LAYOUT: dict[str, dict[str, list[str]]] = {
    "The story": {
        "Evaluation: raw score of whole games, frozen weights": [CLOSING],
        "Loss, in training and on episodes that were held out": ["learner/loss", "learner/held_out_loss"],
        "Accuracy, the same": ["learner/accuracy", "learner/held_out_accuracy"],
        "Gradient norm before clipping": ["learner/grad_norm"],
        "Samples/s": ["throughput/run"],
        "Q of actions taken": ["learner/q_mean"],
    },
}


def compared(settings: DatasetSettings) -> dict[str, Any]:
    """Return the settings that change what is learned, by dotted name."""
    return {name: value for name, value in flat(settings).items() if not name.startswith(NOT_TUNED)}


def draw_curve(table: Path, picture: Path, title: str) -> None:
    """Plot loss and accuracy over samples, from the rows of curve.csv."""
    rows = rows_of(table)
    figure, axes = subplots(1, 2, figsize=(9, 4))
    for panel, measure, corner in zip(axes, ("loss", "accuracy"), ("upper right", "lower right"), strict=True):
        for column, label, colour in ((measure, "training", "0.6"), (f"held_out_{measure}", "held out", "C0")):
            points = [(int(row["samples"]), float(row[column])) for row in rows if row[column]]
            if points:
                panel.plot(*zip(*points, strict=True), label=label, color=colour, marker=".")
        panel.set(xlabel="samples", ylabel=measure)
        panel.grid(alpha=0.3)
        if panel.get_legend_handles_labels()[0]:
            panel.legend(loc=corner)
    figure.suptitle(title)
    save_figure(figure, picture, dpi=120)

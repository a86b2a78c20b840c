"""GAN trainings compared at equal CPU seconds, one at a time in this process.

CPU seconds are of training alone, without evaluation or waiting for a core. Other processes may still slow it down by
sharing caches.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from cluster.gan_images import make_run
from training.storage import checkpoint
from training.storage.files import png, write_bytes, write_text

TIMED = 20  # steps to measure the cost of an image
Draw = Callable[[Any], Any]  # a generator -> uint8 [H, W, 3] or None


def raced(
    settings: Any, folder: Path, every: int, kept: Iterable[str], pictures: dict[str, Draw] | None = None
) -> list[dict[str, float]]:
    """Train to the end; return scores of every evaluation, with images and CPU seconds of training so far.

    Interrupted trainings resume, finished ones are read from `folder`.

    Args:
        every: images between evaluations.
        kept: names of the scores.
        pictures: functions that draw the averaged generator at the end, by file name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    table, end = folder / "rows.json", settings.training.images
    rows: list[dict[str, float]] = json.loads(table.read_text()) if table.exists() else []
    if rows and rows[-1]["images"] >= end:
        return rows
    run = make_run(settings, settings, folder)
    if saved := checkpoint.complete(folder / "checkpoints"):
        run.load(saved[-1])
    rows = [row for row in rows if row["images"] <= run.images]
    while run.images < end:
        start = time.process_time()
        run.train(min(end, (run.images // every + 1) * every))
        run.seconds += time.process_time() - start
        scores = run.judge().beside
        rows.append({"images": run.images, "cpu_seconds": run.seconds, **{name: scores[name] for name in kept}})
        if run.images >= end:
            _draw(pictures or {}, run.trainer.average, folder)
        # After the pictures: a complete table skips them. Before the checkpoint: rows beyond it are dropped.
        write_text(table, json.dumps(rows))
        run.save(folder / "checkpoints")
    return rows


def _draw(pictures: dict[str, Draw], generator: Any, folder: Path) -> None:
    for name, draw in pictures.items():
        if (drawn := draw(generator)) is not None:
            write_bytes(folder / name, png(drawn))


def images_for(settings: Any, seconds: float, folder: Path) -> int:
    """Return the number of images that take `seconds` CPU seconds; measured once and cached in `folder`."""
    file = folder / "images.json"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        trainer = make_run(settings, settings, folder).trainer
        trainer.train(TIMED)
        before, start = trainer.images, time.process_time()
        trainer.train(TIMED)
        write_text(file, json.dumps(round(seconds * (trainer.images - before) / (time.process_time() - start))))
    return int(json.loads(file.read_text()))

"""Trainings of GANs that race by processor seconds: what was seen on the way, and how many images are as dear.

One at a time, in this process. CPU seconds are of training alone: neither judging nor waiting for a core counts, though
a core that others keep busy is slower by its caches.
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

TIMED = 20  # steps that tell what an image costs
Draw = Callable[[Any], Any]  # a generator -> uint8 [H, W, 3], or None


def raced(
    settings: Any, folder: Path, every: int, kept: Iterable[str], pictures: dict[str, Draw] | None = None
) -> list[dict[str, float]]:
    """Train to the end -> scores at every judgement, with the images and CPU seconds of training until then.

    What was interrupted goes on where it stopped, what is finished is read.

    Args:
        every: images between two judgements.
        kept: names of the scores.
        pictures: of the averaged generator at the end, by the names of their files; None where there is none to see.
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
        # After the pictures: a full table is only read. Before the checkpoint: rows that it does not know are dropped.
        write_text(table, json.dumps(rows))
        run.save(folder / "checkpoints")
    return rows


def _draw(pictures: dict[str, Draw], generator: Any, folder: Path) -> None:
    for name, draw in pictures.items():
        if (drawn := draw(generator)) is not None:
            write_bytes(folder / name, png(drawn))


def images_for(settings: Any, seconds: float, folder: Path) -> int:
    """How many images the settings train in so many CPU seconds; measured once."""
    file = folder / "images.json"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        trainer = make_run(settings, settings, folder).trainer
        trainer.train(TIMED)
        before, start = trainer.images, time.process_time()
        trainer.train(TIMED)
        write_text(file, json.dumps(round(seconds * (trainer.images - before) / (time.process_time() - start))))
    return int(json.loads(file.read_text()))

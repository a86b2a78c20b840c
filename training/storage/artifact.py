"""What others are to use of a training: weights and a card that says what they are, as two files."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor

from training.storage.files import whole


def save_artifact(folder: Path, weights: dict[str, Tensor], card: dict[str, Any], name: str) -> None:
    """Write `name`.safetensors and `name`.json into `folder`: both are written before either takes its place.

    Not by safetensors' own writer, whose errors do not say that a disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(card, indent=2) + "\n"
    files = {folder / f"{name}.json": text.encode(), folder / f"{name}.safetensors": save(weights)}
    with ExitStack() as both:
        for file, data in files.items():
            both.enter_context(whole(file)).write_bytes(data)

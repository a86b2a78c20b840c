"""Exported models: weights and a card that describes them, as two files."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor

from training.storage.files import whole


def save_artifact(folder: Path, weights: dict[str, Tensor], card: dict[str, Any], name: str) -> None:
    """Write `name`.safetensors and `name`.json into `folder`; both are written before either is renamed.

    Does not use safetensors' writer, whose errors do not report a full disk.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(card, indent=2) + "\n"
    files = {folder / f"{name}.json": text.encode(), folder / f"{name}.safetensors": save(weights)}
    with ExitStack() as both:
        for file, data in files.items():
            both.enter_context(whole(file)).write_bytes(data)

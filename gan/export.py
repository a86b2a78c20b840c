"""Export of a trained generator to two files; loading takes two lines:

from gan.export import load_generator
generator = load_generator("runs/digits/generator")
images = generator.sample(64, seed=0)  # uint8 [64, C, H, W]
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from gan.data.images import Pixels
from gan.parts import Trainer, parts_named
from gan.samples import sampling
from training.settings import from_dict, to_dict
from training.storage.artifact import save_artifact

WEIGHTS, CARD = "generator.safetensors", "generator.json"


@dataclass(frozen=True, eq=False)
class Exported:
    """An exported generator with its settings and scores."""

    network: Any  # a module that is a `gan.parts.Generator`
    settings: Any  # of its family
    scores: dict[str, Any]

    def sample(self, count: int, seed: int = 0, truncation: float = 1.0) -> Pixels:
        """Sample images uint8 [count, C, H, W], deterministic for a seed. Latents are multiplied by `truncation`: below
        1, images are more precise and less varied."""
        return sampling.sample(self.network, count, seed, truncation)


def export_generator(trainer: Trainer, folder: Path, scores: dict[str, Any]) -> None:
    """Write the averaged generator's weights and card (settings, shape, data, scores) into `folder`."""
    weights = {name: value.cpu().contiguous() for name, value in trainer.average.state_dict().items()}
    data = trainer.data
    card = {"family": trainer.settings.family, "settings": to_dict(trainer.settings), "data": data.name}
    card |= {"shape": data.shape, "classes": data.classes}
    save_artifact(folder, weights, {**card, "images": trainer.images, "scores": scores}, Path(CARD).stem)


def load_generator(folder: str | Path) -> Exported:
    """Load a generator of `export_generator`, on the CPU.

    Raises:
        ValueError: it is missing or damaged.
    """
    folder = Path(folder)
    try:
        card = json.loads((folder / CARD).read_text())
        parts = parts_named(card.get("family", "gan.standard.parts"))
        settings = from_dict(parts.SETTINGS, card["settings"])
        with torch.random.fork_rng(devices=[]):  # initialisation must not change the global generator
            network = parts.make_generator(settings, tuple(card["shape"]), card["classes"])
        network.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, ImportError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise ValueError(f"no readable generator in {folder} ({error}): name a folder that a run exported") from None
    return Exported(network.eval().requires_grad_(False), settings, card["scores"])

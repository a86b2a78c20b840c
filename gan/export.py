"""A trained generator as two files, and back in three lines:

from gan.export import load_generator
generator = load_generator("runs/digits/generator")
images = generator.sample(64, seed=0)  # uint8 [64, C, H, W]
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from gan.data.images import Pixels
from gan.samples import sampling
from gan.standard.networks import Generator
from gan.standard.settings import GanSettings
from gan.standard.trainer import Trainer
from training.settings import from_dict, to_dict

WEIGHTS, CARD = "generator.safetensors", "generator.json"


@dataclass(frozen=True, eq=False)
class Exported:
    """A generator with the settings and scores it was exported with."""

    network: Generator
    settings: GanSettings
    scores: dict[str, Any]

    def sample(self, count: int, seed: int = 0) -> Pixels:
        """`count` images uint8 [count, C, H, W]; the same seed gives the same ones."""
        return sampling.sample(self.network, count, seed)


@dataclass(frozen=True)
class _Card:
    settings: dict[str, Any]
    shape: tuple[int, int, int]
    classes: int
    data: str
    images: int
    scores: dict[str, Any]


def export_generator(trainer: Trainer, folder: Path, scores: dict[str, Any]) -> None:
    """Write the averaged generator's weights and its card (settings, shape, data, scores) into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.cpu().contiguous() for name, value in trainer.average.state_dict().items()}
    data = trainer.data
    card = _Card(to_dict(trainer.settings), data.shape, data.classes, data.name, trainer.images, scores)
    # Not by safetensors' own writer, whose errors do not say that a disk is full.
    (folder / f"{WEIGHTS}.part").write_bytes(save(weights))
    (folder / f"{CARD}.part").write_text(json.dumps(asdict(card), indent=2) + "\n")
    for name in (WEIGHTS, CARD):
        (folder / f"{name}.part").replace(folder / name)


def load_generator(folder: str | Path) -> Exported:
    """What `export_generator` wrote, on the CPU.

    Raises:
        ValueError: no generator is there, or it is damaged.
    """
    folder = Path(folder)
    try:
        card = json.loads((folder / CARD).read_text())
        settings = from_dict(GanSettings, card["settings"])
        with torch.random.fork_rng(devices=[]):  # the weights drawn first leave no trace
            network = Generator(settings.network, tuple(card["shape"]), card["classes"])
        network.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise ValueError(f"no readable generator in {folder} ({error}): name a folder that a run exported") from None
    return Exported(network.eval().requires_grad_(False), settings, card["scores"])

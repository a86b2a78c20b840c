"""A small classifier, trained once per data set, whose last hidden layer gives features for distances.

Distances by different classifiers do not compare, so scores include its hash.
"""

from __future__ import annotations

import errno
import hashlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from gan.data.images import Images, Split, to_float
from training.device import autocast
from training.optimizers import Adam
from training.seeding import torch_seed
from training.storage.files import whole

FEATURES = 64
RECIPE = "2"  # increment when the training below changes
EPOCH_IMAGES, EPOCHS, BATCH, SHIFT = 4_000, 12, 64, 2
CHUNK = 500  # images per forward pass
UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS)
FLIPS = 4  # classes for unlabelled images: unchanged, flipped left-right, upside down, both


class Classifier(nn.Module):
    """Single images [B, C, H, W] in -1..1 -> features [B, 64] (`features`) -> class logits [B, classes]."""

    def __init__(self, colours: int, classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(colours, 32, 5, 2, 2), nn.ReLU(), nn.Conv2d(32, 64, 3, 2, 1), nn.ReLU(),
            nn.Conv2d(64, 64, 3, 1, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Dropout(0.25),
            nn.Linear(64 * 16, FEATURES), nn.ReLU(),
        )  # fmt: skip
        self.out = nn.Linear(FEATURES, classes)

    def features(self, images: Tensor) -> Tensor:
        """Return features [B, 64] of images [B, C, H, W]."""
        found: Tensor = self.body(images)
        return found

    def forward(self, images: Tensor) -> Tensor:
        """Return logits [B, classes] of images [B, C, H, W]."""
        logits: Tensor = self.out(self.features(images))
        return logits


class Extractor:
    """The trained classifier, its hash and its accuracy on held-out images; NaN if only these have no labels."""

    def __init__(self, network: Classifier, accuracy: float) -> None:
        self.network, self.accuracy = network.eval().requires_grad_(False), accuracy
        digest = hashlib.sha256()
        for name, value in sorted(network.state_dict().items()):
            digest.update(name.encode() + value.numpy().tobytes())
        self.hash = digest.hexdigest()[:16]

    @torch.no_grad()
    def features(self, images: NDArray[np.uint8], stack: int = 1) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return features float64 [N, s 64] and class probabilities float32 [N, s, classes] of uint8 [N, s C, H, W]."""
        count = len(images)
        singles = torch.from_numpy(images).reshape(count * stack, -1, *images.shape[2:])
        features = [self.network.features(to_float(part)) for part in torch.split(singles, CHUNK)]
        probabilities = torch.cat([self.network.out(part).softmax(1) for part in features])
        found = torch.cat(features).double().reshape(count, -1)
        return found.numpy(), probabilities.reshape(count, stack, -1).numpy()


def extractor_for(data: Images, folder: Path, seed: int = 0) -> Extractor:
    """Load the data's classifier from `folder`; if it is missing, train it and save it there unless read-only.

    Deterministic for the same data on one machine (kernels of other processors sum in another order). For images
    without labels it classifies how they are flipped.

    Raises:
        OSError: the disk is full.
    """
    key = hashlib.sha256(f"{data.digest()} {seed} {RECIPE} {torch.__version__}".encode()).hexdigest()[:16]
    file = folder / f"extractor-{key}.safetensors"
    try:
        saved = load_file(file)
        network = untrained_classifier(data)
        accuracy = float(saved.pop("accuracy"))
        network.load_state_dict(saved)
    except (OSError, SafetensorError, KeyError, RuntimeError):  # missing or damaged
        network, accuracy = train_classifier(data, seed)
        # safetensors' own writer sets mode 0600 and does not report a full disk.
        _keep(file, save({**network.state_dict(), "accuracy": torch.tensor(accuracy)}))
    if data.train.labels is not None and data.select.labels is None:
        accuracy = math.nan  # the accuracy would compare classes with flips
    return Extractor(network, accuracy)


def _keep(file: Path, content: bytes) -> None:
    """Write to the cache, unless it is read-only."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with whole(file, shared=True) as part:
            part.write_bytes(content)
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise


def train_classifier(data: Images, seed: int) -> tuple[Classifier, float]:
    """Train for `EPOCHS` epochs with small shifts; return the network and its accuracy on the select part.

    Uses one thread, so that sums do not depend on the number of cores.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch_seed(seed):
            return _train_classifier(data, np.random.default_rng(seed))
    finally:
        torch.set_num_threads(threads)


def untrained_classifier(data: Images) -> Classifier:
    """Create a classifier for loading weights, without changing the global random generator."""
    with torch.random.fork_rng(devices=[]):
        return Classifier(data.train.images.shape[1], data.classes or FLIPS)


def _train_classifier(data: Images, rng: np.random.Generator) -> tuple[Classifier, float]:
    network = Classifier(data.train.images.shape[1], data.classes or FLIPS)
    steps = EPOCHS * EPOCH_IMAGES // BATCH
    optimizer = Adam(network.parameters(), 2e-3, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    for _ in range(steps):
        images, labels = _labelled(data.train.take(rng.integers(len(data.train), size=BATCH)), rng)
        shift = rng.integers(-SHIFT, SHIFT + 1, 2).tolist()
        with autocast("cpu", "auto"):
            logits = network(images.roll(shift, (2, 3)))
        loss = F.cross_entropy(logits.float(), labels, label_smoothing=0.05)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    network.eval()
    images, labels = _labelled(data.select, rng)
    with torch.no_grad():
        found = torch.cat([network(part).argmax(1) for part in torch.split(images, CHUNK)])
    return network, float((found == labels).float().mean())


def _labelled(part: Split, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Return images in -1..1 with their classes, or randomly flipped with the flip as class."""
    images = to_float(torch.from_numpy(part.images))
    if part.labels is not None:
        return images, torch.from_numpy(part.labels)
    labels = torch.from_numpy(rng.integers(FLIPS, size=len(images)))
    images = torch.where((labels % 2 == 1).view(-1, 1, 1, 1), images.flip(3), images)
    return torch.where((labels >= 2).view(-1, 1, 1, 1), images.flip(2), images), labels

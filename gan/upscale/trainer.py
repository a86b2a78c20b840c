"""Trainer of the upscaling family. Legend: B images a batch, T frames of a clip, S side of a crop."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from gan.adversarial import adversarial_loss, descend_discriminator, discriminator_terms
from gan.data.images import Images, to_float
from gan.data.order import EpochSampler
from gan.updates import (
    descend,
    load_training_state,
    move_average,
    optimizers_of,
    precision,
    set_rates,
    to_device,
    train_steps,
    training_state,
)
from gan.upscale.lowering import clips, lower, skipped
from gan.upscale.networks import EXAMPLES, Upscaler, discriminator, varied
from gan.upscale.settings import UpscaleSettings
from training.device import moved, resolve_device
from training.seeding import torch_seed

PLACES = 8  # candidate crops of a clip


class UpscaleTrainer:
    """Both networks, their optimisers, the generator's moving average and the random generators."""

    def __init__(self, settings: UpscaleSettings, data: Images) -> None:
        self.settings, self.data = settings, data
        self.device = resolve_device(settings.training.device, "training.device")
        self.colours, height, self.width = data.shape
        self.height = height // settings.frames
        self.crop = settings.crop or min(self.height, self.width)
        if height % (2 * settings.frames) or self.width % 2 or self.crop > min(self.height, self.width):
            raise ValueError(
                f"images of {height}x{self.width} pixels with {settings.frames} frames: sides of a frame must be even "
                f"and no shorter than crop, which is {self.crop}"
            )
        with torch_seed(settings.seed):
            self.generator = Upscaler(settings.network, data.shape, settings.frames)
            self.generator.examples.copy_(torch.from_numpy(varied(data.select.images, EXAMPLES)))
            self.generator = to_device(self.generator, self.device)
            self.discriminator = to_device(discriminator(settings.network, self.colours, self.crop), self.device)
        self.average = copy.deepcopy(self.generator).requires_grad_(False).eval()
        self.optimizers = optimizers_of(self.generator, self.discriminator, settings.training)
        self.pixels = torch.from_numpy(data.train.images).to(self.device)
        self.order = EpochSampler(len(self.pixels), settings.seed)
        self.rng = torch.Generator().manual_seed(settings.seed + 1)
        self.images = self.steps = 0  # real images seen, generator updates

    def step(self) -> dict[str, Tensor]:
        """Update the generator, after the discriminator if the adversarial loss is on; return losses on the device."""
        s = self.settings
        set_rates(self.optimizers, s.training, self.images)
        truth = self.real_batch()
        with precision(self):
            fake = self.generator(lower(truth, s.frames))
        real = to_float(clips(truth, s.frames))
        real, fake = (images[:, skipped(s.frames) :].flatten(0, 1) for images in (real, fake))
        off = fake - real
        error = (off.abs() if s.loss.error == "absolute" else off.square()).mean()
        loss, losses = error, {"pixel_loss": error.detach()}
        if s.loss.adversarial > 0 and self.images >= s.loss.alone * s.training.images:
            losses |= self.train_discriminator(real, fake.detach())
            game = self.game(real, fake)
            losses["generator_loss"] = game.detach()
            loss = error + s.loss.adversarial * game
        descend(self.optimizers["generator"], loss)
        self.steps += 1
        self.images += s.training.batch_size
        move_average(self.average, self.generator, s.training, self.images)
        return losses

    def train(self, steps: int) -> dict[str, float]:
        """Do `steps` steps; return the last losses. FloatingPointError if training has diverged."""
        return train_steps(self, steps)

    def train_discriminator(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """Update the discriminator on true images and the enlargements of their small ones."""
        both, penalised = torch.cat([real, fake]), self.settings.loss.penalised(self.steps)
        return descend_discriminator(self, discriminator_terms(self, self.discriminator, both, penalised))

    def game(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the generator's adversarial loss; the discriminator is frozen for it."""
        self.discriminator.requires_grad_(False)
        loss = adversarial_loss(self, self.discriminator, real, fake)
        self.discriminator.requires_grad_(True)
        return loss

    def real_batch(self) -> Tensor:
        """Return crops of the next training images, uint8 [B, C, T S, S], at the same place in all frames of a clip.

        Photographs are flipped and rotated at random. Clips are mostly still, so every second one is cropped at that of
        eight random places where most pixels change. Places are even, so that crops have the jitter of whole frames.
        """
        count, frames, side = self.settings.training.batch_size, self.settings.frames, self.crop
        index = moved(torch.from_numpy(self.order.next(count)), self.device)
        tries = [PLACES if frames > 1 and row % 2 else 1 for row in range(count)]
        down = 2 * torch.randint((self.height - side) // 2 + 1, (count, max(tries)), generator=self.rng)
        across = 2 * torch.randint((self.width - side) // 2 + 1, (count, max(tries)), generator=self.rng)
        turns = torch.randint(8 if frames == 1 else 1, (count,), generator=self.rng)
        found = []
        chosen = clips(self.pixels[index], frames)
        for clip, most, ys, xs, turn in zip(chosen, tries, down.tolist(), across.tolist(), turns.tolist(), strict=True):
            parts = [clip[:, :, y : y + side, x : x + side] for y, x in zip(ys[:most], xs[:most], strict=True)]
            part = max(parts, key=lambda part: int((part[1:] != part[:-1]).sum())).rot90(turn % 4, (2, 3))
            found.append(part.flip(3) if turn >= 4 else part)
        batch = torch.stack(found).transpose(1, 2)
        return batch.reshape(count, self.colours, frames * side, side)

    def state(self) -> dict[str, Any]:
        """Return everything that `load_state` needs to resume bit for bit, as nested values and arrays."""
        return training_state(self, order=self.order)

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore `state`; ValueError if networks or data differ."""
        load_training_state(self, state, order=self.order)

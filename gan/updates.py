"""Parts of the training step of all families: learning rates, optimiser steps, moving average, state."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from gan.data.order import EpochSampler, Unpaired
from gan.settings import TrainingSettings
from training.arrays import arrays_of, load_arrays, load_moments, moments_of
from training.averages import move_towards
from training.device import autocast
from training.optimizers import Adam

RAMP = 0.05  # bound of the average's half-life as a share of the images seen, so that early weights decay soon
M = TypeVar("M", bound=nn.Module)
Optimizers = dict[str, torch.optim.Adam]  # of "generator" and "discriminator"


class Players(Protocol):
    """Attributes of a trainer: networks, the generator's average, optimisers and counters."""

    settings: Any  # with `training`
    device: str
    generator: Any
    discriminator: Any
    average: Any
    optimizers: Optimizers
    rng: torch.Generator
    images: int  # real images seen
    steps: int  # generator updates

    def step(self) -> dict[str, Tensor]:
        """Do one step of the family's loop; return the last losses, on the device."""


def to_device(network: M, device: str) -> M:
    """Move a network to the device, with channels-last convolutions."""
    network.to(device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def optimizers_of(generator: nn.Module, discriminator: nn.Module, training: TrainingSettings) -> Optimizers:
    """Create the optimisers of both networks; learning rates are set at every step."""
    networks, betas = {"generator": generator, "discriminator": discriminator}, (training.beta1, training.beta2)
    return {name: Adam(network.parameters(), betas=betas, fused=True) for name, network in networks.items()}


def precision(players: Players) -> torch.autocast:
    """Return the autocast context of forward passes; parameters and losses stay float32."""
    return autocast(players.device, players.settings.training.precision)


def set_rates(optimizers: Optimizers, training: TrainingSettings, images: int) -> None:
    """Set learning rates from the settings at every step, never from a checkpoint, so that a clone keeps its own."""
    left = max(0.0, 1 - images / training.images)
    scale = min(1.0, left / (1 - training.decay_from)) if training.decay_from < 1 else 1.0
    for name, rate in (("generator", training.generator_rate), ("discriminator", training.discriminator_rate)):
        for group in optimizers[name].param_groups:
            group["lr"], group["betas"] = rate * scale, (training.beta1, training.beta2)


def descend(optimizer: torch.optim.Adam, loss: Tensor) -> None:
    """Do one optimiser step."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def move_average(average: nn.Module, generator: nn.Module, training: TrainingSettings, images: int) -> None:
    """Update the moving average of the generator's weights; buffers (statistics of norms) are copied."""
    half_life = min(training.average_images, RAMP * images)
    seen = training.batch_size * training.critic_steps  # since the last move
    keep = 0.5 ** (seen / half_life) if half_life > 0 else 0.0
    move_towards(average, generator, 1 - keep)


def train_steps(players: Players, steps: int) -> dict[str, float]:
    """Do `steps` steps; return the last losses.

    Raises:
        FloatingPointError: training has diverged.
    """
    losses: dict[str, Tensor] = {}
    for _ in range(steps):
        losses |= players.step()
    return finite(losses, players.generator, players.images)


def finite(losses: dict[str, Tensor], generator: nn.Module, images: int) -> dict[str, float]:
    """Return the losses as floats. A check after many steps is enough, since NaN persists.

    Raises:
        FloatingPointError: training has diverged.
    """
    found = {name: float(value) for name, value in losses.items()}
    weights = torch.stack([p.detach().sum() for p in generator.parameters()]).sum()
    if not np.isfinite([*found.values(), float(weights)]).all():
        raise FloatingPointError(
            f"training diverged within {images} images: lower training.generator_rate and discriminator_rate, "
            "or raise loss.weight"
        )
    return found


def training_state(players: Players, **orders: EpochSampler | Unpaired) -> dict[str, Any]:
    """Return networks, moments, random generator and counters as values and arrays, and `orders` of images by name."""
    return {
        "networks": {name: arrays_of(network) for name, network in _networks(players).items()},
        "moments": {name: moments_of(optimizer) for name, optimizer in players.optimizers.items()},
        "chance": players.rng.get_state().numpy().copy(),
        "images": players.images,
        "steps": players.steps,
        **{name: order.state() for name, order in orders.items()},
    }


def load_training_state(players: Players, state: dict[str, Any], **orders: EpochSampler | Unpaired) -> None:
    """Restore `training_state`; learning rates stay those of the settings.

    Raises:
        ValueError: networks or data differ.
    """
    for name, order in orders.items():
        order.load_state(state[name])
    for name, network in _networks(players).items():
        load_arrays(network, state["networks"][name])
    for name, optimizer in players.optimizers.items():
        load_moments(optimizer, state["moments"][name])
    players.rng.set_state(torch.from_numpy(np.array(state["chance"], np.uint8)))
    players.images, players.steps = int(state["images"]), int(state["steps"])


def _networks(players: Players) -> dict[str, nn.Module]:
    return {"generator": players.generator, "discriminator": players.discriminator, "average": players.average}

"""Samples of a trained generator, as a function of the seed and independent of the batch size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from gan.data.images import Pixels, to_uint8
from gan.parts import Generator

CHUNK = 500  # images per forward pass
Drawing = Callable[[Tensor, Tensor | None], Tensor]  # inputs [B, ...] and classes [B] -> images [B, C, H, W] in -1..1


def latents(generator: Generator, count: int, seed: int, truncation: float = 1.0) -> Tensor:
    """Sample standard normal latents [count, Z] on the CPU, scaled by `truncation`.

    Below 1 they are closer to their mean, where training was dense, so images are more precise and less varied (Brock
    et al. 2019, section 3.1, resample outliers instead; Karras et al. 2019, appendix B, scale w).

    Raises:
        ValueError: the generator maps images instead of noise, or the truncation is not in 0..1, or is below 1 for a
            generator that normalises latents.
    """
    if not 0 <= truncation <= 1:
        raise ValueError(f"truncation is {truncation}: from 0, the mean of all images, to 1, all of their variety")
    if generator.latent == 0:
        raise ValueError(
            "this generator draws from images, not from noise: give its network some, and ask for no walk or directions"
        )
    if truncation < 1 and generator.normalised:
        raise ValueError(
            "this generator divides latents by their length, so shrunk ones change nothing: use truncation 1"
        )
    return torch.randn(count, generator.latent, generator=torch.Generator().manual_seed(seed)) * truncation


def classes(generator: Generator, count: int) -> Tensor | None:
    """Return classes in turn, 0, 1, 2 ... [count], or None for an unconditional generator."""
    if generator.embedding is None:
        return None
    return torch.arange(count) % generator.embedding.num_embeddings


@torch.no_grad()
def in_chunks(
    network: Drawing, given: Tensor, label: Tensor | None, device: torch.device, chunk: int = CHUNK
) -> Pixels:
    """Map N inputs, and their classes, to images uint8 [N, ...], `chunk` at a time on the network's device."""
    parts = []
    for rows in torch.split(torch.arange(len(given)), chunk):
        known = None if label is None else label[rows].to(device)
        parts.append(to_uint8(network(given[rows].to(device), known)).cpu().numpy())
    return np.concatenate(parts)


def draw(generator: Generator, given: Tensor, label: Tensor | None, chunk: int = CHUNK) -> Pixels:
    """Map latents [N, Z], or the images that the generator takes instead, to images uint8 [N, ...], `chunk` at a time.

    The generator is in evaluation mode meanwhile, and in its own mode afterwards.
    """
    training = generator.training
    generator.eval()
    images = in_chunks(generator, given, label, next(generator.parameters()).device, chunk)
    generator.train(training)
    return images


def sample(generator: Generator, count: int, seed: int, truncation: float = 1.0) -> Pixels:
    """Sample `count` images uint8 [N, C, H, W], with classes in turn if conditional."""
    return draw(generator, latents(generator, count, seed, truncation), classes(generator, count))

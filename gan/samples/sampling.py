"""What a trained generator draws: the same seed gives the same images, whatever the batch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from gan.data.images import Pixels, to_uint8
from gan.parts import Generator

CHUNK = 500  # images a forward pass
Drawing = Callable[[Tensor, Tensor | None], Tensor]  # inputs [B, ...] and classes [B] -> images [B, C, H, W] in -1..1


def latents(generator: Generator, count: int, seed: int, truncation: float = 1.0) -> Tensor:
    """Standard normal [count, Z], drawn on the CPU, times `truncation`.

    Below 1 they lie nearer to their mean, where training was dense: images are more precise and less varied (the trade
    of Brock et al. 2019, section 3.1, who draw anew what is far out; Karras et al. 2019, appendix B, shrink w).

    Raises:
        ValueError: the generator is given images instead of noise, or the truncation is not from 0 to 1, or is below 1
            where it would change nothing.
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
    """0, 1, 2 ... and round again [count], or None for a generator that is not told of classes."""
    if generator.embedding is None:
        return None
    return torch.arange(count) % generator.embedding.num_embeddings


@torch.no_grad()
def in_chunks(
    network: Drawing, given: Tensor, label: Tensor | None, device: torch.device, chunk: int = CHUNK
) -> Pixels:
    """Images uint8 [N, ...] that a network makes of N inputs, and of their classes, `chunk` at a time on its device."""
    parts = []
    for rows in torch.split(torch.arange(len(given)), chunk):
        known = None if label is None else label[rows].to(device)
        parts.append(to_uint8(network(given[rows].to(device), known)).cpu().numpy())
    return np.concatenate(parts)


def draw(generator: Generator, given: Tensor, label: Tensor | None, chunk: int = CHUNK) -> Pixels:
    """Images uint8 [N, ...] of latents [N, Z] or of what else the generator is given, `chunk` at a time.

    In evaluation mode; the generator is left as it was.
    """
    training = generator.training
    generator.eval()
    images = in_chunks(generator, given, label, next(generator.parameters()).device, chunk)
    generator.train(training)
    return images


def sample(generator: Generator, count: int, seed: int, truncation: float = 1.0) -> Pixels:
    """`count` images uint8 [N, C, H, W], classes in turn where there are any, of latents times `truncation`."""
    return draw(generator, latents(generator, count, seed, truncation), classes(generator, count))

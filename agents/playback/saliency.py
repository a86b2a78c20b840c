"""Which pixels a decision hangs on. Legend: B batch, P blocks, K stack, D values a block, H, W pixels."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from agents.networks.q_network import QNetwork
from agents.replay.frames import from_blocks


def saliency(network: QNetwork, obs: NDArray[Any]) -> NDArray[np.float32]:
    """How much the value of the greedy action moves with each pixel: |dQ(s, a*) / dpixel|, [B, H, W].

    The class saliency map of Simonyan et al. 2013 (arXiv:1312.6034, section 3.1), with the greedy action for the
    class and the maximum over the K frames of a stack, as they take it over colours.

    Args:
        network: Q-network of pixels.
        obs: stacks [B, P, K, D], uint8.
    """
    device = next(network.parameters()).device
    with torch.inference_mode(False), torch.enable_grad():  # whatever the caller is doing
        network = copy.deepcopy(network).requires_grad_(False).eval()  # a live one would change as it is asked
        pixels = torch.tensor(obs, dtype=torch.float32, device=device, requires_grad=True)
        greedy = network(pixels).max(1).values.sum()  # samples do not touch each other: one sum serves all
        (gradient,) = torch.autograd.grad(greedy, pixels)
    strongest = gradient.abs().amax(2).cpu().numpy()
    found = from_blocks(strongest, network.frame_shape)
    return np.asarray(found.max(3) if found.ndim == 4 else found, np.float32)

"""Saliency maps of Q-networks. Legend: B batch, P blocks, K stack, D values a block, H, W pixels."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from agents.networks.q_network import QNetwork
from agents.replay.frames import from_blocks


def saliency(network: QNetwork, obs: NDArray[Any]) -> NDArray[np.float32]:
    """Compute the sensitivity of the greedy action's value to each pixel: |dQ(s, a*) / dpixel|, [B, H, W].

    The class saliency map of Simonyan et al. 2013 (arXiv:1312.6034, section 3.1), with the greedy action as the
    class. It is the maximum over the K frames of a stack, and over colours as in the paper.

    Args:
        network: Q-network of pixels.
        obs: stacks [B, P, K, D], uint8.
    """
    device = next(network.parameters()).device
    with torch.inference_mode(False), torch.enable_grad():  # the caller may have disabled gradients
        network = copy.deepcopy(network).requires_grad_(False).eval()  # leaves the caller's network as it is
        pixels = torch.tensor(obs, dtype=torch.float32, device=device, requires_grad=True)
        greedy = network(pixels).max(1).values.sum()  # samples are independent: one sum serves all
        (gradient,) = torch.autograd.grad(greedy, pixels)
    strongest = gradient.abs().amax(2).cpu().numpy()
    found = from_blocks(strongest, network.frame_shape)
    return np.asarray(found.max(3) if found.ndim == 4 else found, np.float32)

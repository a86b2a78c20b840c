"""The saliency map against finite differences and a network that uses one pixel of each window."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from agents.networks.q_network import NetworkSettings, QNetwork
from agents.playback.saliency import saliency
from agents.replay.frames import to_blocks


def network_and_stack(seed: int = 0, kind: str = "dqn2013") -> tuple[QNetwork, np.ndarray, np.ndarray]:
    """Return a random network, two stacks as blocks, and the same as pixels [2, K, H, W]."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = QNetwork(NetworkSettings(kind=kind, stack=2), (36, 40), 3)
    pixels = np.random.default_rng(seed).integers(0, 256, (2, 2, 36, 40), np.uint8)
    return network, np.stack([to_blocks(pixels[:, k]) for k in range(2)], axis=2), pixels


def greedy_value(network: QNetwork, pixels: np.ndarray, action: int) -> float:
    """Return Q of one action for pixels [K, H, W] that need not be integers, reshaped to blocks by hand."""
    stack, height, width = pixels.shape
    blocks = pixels.reshape(stack, height // 4, 4, width // 4, 4).transpose(1, 3, 0, 2, 4).reshape(1, -1, stack, 16)
    with torch.no_grad():
        return float(network(torch.from_numpy(blocks.astype(np.float32)))[0, action])


def test_a_map_is_the_slope_of_the_greedy_value() -> None:
    """Simonyan et al. 2013: a map is the absolute derivative (central differences), the largest of the frames'."""
    network, obs, pixels = network_and_stack()
    maps = saliency(network, obs)
    assert maps.shape == (2, 36, 40)
    with torch.no_grad():
        action = int(network(torch.from_numpy(obs))[0].argmax())
    for row, column in ((3, 5), (20, 17), (30, 33)):
        slopes = []
        for k in range(2):
            moved = [pixels[0].astype(np.float64) for _ in range(2)]
            moved[0][k, row, column] += 4.0
            moved[1][k, row, column] -= 4.0
            slopes.append((greedy_value(network, moved[0], action) - greedy_value(network, moved[1], action)) / 8.0)
        assert maps[0, row, column] == pytest.approx(max(map(abs, slopes)), rel=0.05, abs=2e-6)


def test_a_network_that_sees_one_pixel_has_one_bright_pixel() -> None:
    network, obs, _ = network_and_stack()
    with torch.no_grad():
        first = network.body[0]
        first.weight.zero_()
        first.weight[:, 1, 5, 2] = 1.0  # newest frame; each window's pixel in row 5, column 2
    lit = saliency(network, obs)[0] > 0
    rows, columns = np.nonzero(lit)
    assert len(rows) > 0
    assert set(rows % 4) == {5 % 4}
    assert set(columns % 4) == {2}


@pytest.mark.parametrize(("kind", "frozen"), [("dqn2013", True), ("dqn2013", False), ("impala", False)])
def test_looking_leaves_the_network_alone(kind: str, frozen: bool) -> None:
    """A saliency map changes neither weights nor requires_grad, and leaves no gradient, frozen or not."""
    network, obs, _ = network_and_stack(kind=kind)
    network.requires_grad_(not frozen)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.inference_mode():
        network(torch.from_numpy(obs))
        maps = saliency(network, obs)
    assert maps.any()
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(parameter.requires_grad != frozen for parameter in network.parameters())

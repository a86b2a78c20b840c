"""Networks: the papers' tables, and plain torch layers as the oracle of every shortcut."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from agents.networks.layers import BlockConv, LayerNormNHWC
from agents.networks.q_network import NetworkSettings, QNetwork
from agents.replay.frames import FrameStack, to_blocks

PIXELS = (84, 84)
A = 6


def make(kind: Any = "dqn2013", frame_shape: tuple[int, ...] = PIXELS, seed: int = 0, **options: Any) -> QNetwork:
    """Return a network with the weights of a seed."""
    torch.manual_seed(seed)
    return QNetwork(NetworkSettings(kind=kind, **options), frame_shape, A)


def stacks(batch: int = 3, depth: int = 4) -> tuple[Tensor, Tensor]:
    """Return the same random pixels as the network's blocks [B, P, K, D] and as planes [B, K, H, W]."""
    planes = np.random.default_rng(0).integers(256, size=(batch, depth, *PIXELS), dtype=np.uint8)
    stack = FrameStack(depth)
    for k in range(depth):
        blocks = stack.push(to_blocks(planes[:, k]), np.full(batch, k == 0))
    return torch.from_numpy(blocks), torch.from_numpy(planes)


def shapes(network: QNetwork) -> list[list[int]]:
    """Return the shapes of all parameters, in order."""
    return [list(p.shape) for p in network.parameters()]


def count(network: nn.Module) -> int:
    """Return the number of all parameters."""
    return sum(p.numel() for p in network.parameters())


def test_the_network_of_2013_has_the_parameters_of_its_paper() -> None:
    """84x84x4, 16 filters 8x8 stride 4, 32 filters 4x4 stride 2, 256 units, one output per action."""
    convs = [[16, 4, 8, 8], [16], [32, 16, 4, 4], [32]]
    assert shapes(make()) == [*convs, [256, 9 * 9 * 32], [256], [A, 256], [A]]
    assert count(make()) == 4_112 + 8_224 + 663_808 + 257 * A


def test_the_network_of_2015_has_the_parameters_of_its_paper() -> None:
    """32 filters 8x8/4, 64 filters 4x4/2, 64 filters 3x3/1, 512 units: 1,687,206 parameters with 6 actions."""
    convs = [[32, 4, 8, 8], [32], [64, 32, 4, 4], [64], [64, 64, 3, 3], [64]]
    assert shapes(make("dqn2015")) == [*convs, [512, 7 * 7 * 64], [512], [A, 512], [A]]
    assert count(make("dqn2015")) == 1_687_206


def test_the_stem_has_small_kernels() -> None:
    """3x3 with strides 2, 2, 2, 1 and 16, 24, 32, 32 filters, 256 units."""
    convs = [[16, 4, 3, 3], [16], [24, 16, 3, 3], [24], [32, 24, 3, 3], [32], [32, 32, 3, 3], [32]]
    assert shapes(make("stem")) == [*convs, [256, 7 * 7 * 32], [256], [A, 256], [A]]


def test_the_impala_network_has_unit_spectral_norms_and_acting_leaves_it_alone() -> None:
    """12 of 15 convolutions are normalised; acting changes no state and gives the same values again."""
    network, (blocks, _) = make("impala"), stacks(batch=2)
    convs = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    normed = [conv for conv in convs if hasattr(conv, "parametrizations")]
    assert (len(convs), len(normed)) == (15, 12)
    for _ in range(60):
        network(blocks)
    kept = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.no_grad():
        values = network(blocks)
        for conv in normed:
            assert float(torch.linalg.matrix_norm(conv.weight.flatten(1), 2)) == pytest.approx(1.0, abs=0.05)
        assert torch.equal(network(blocks), values)
    assert all(torch.equal(value, kept[name]) for name, value in network.state_dict().items())
    assert values.shape == (2, A)


def test_the_mlp_and_the_options_have_the_parameters_they_should() -> None:
    assert shapes(make("mlp", (5,), stack=2, hidden=32)) == [[32, 10], [32], [32, 32], [32], [A, 32], [A]]
    assert count(make(dueling=True)) == count(make()) + 257
    norms = 2 * (16 * 20 * 20 + 32 * 9 * 9 + 256)
    assert count(make(layer_norm=True)) == count(make()) + norms
    assert count(make(layer_norm=True, layer_norm_convs=False)) == count(make()) + 2 * 256
    assert count(make(layer_norm_convs=True)) == count(make())
    assert count(make(noisy=True)) == count(make()) + 256 * (9 * 9 * 32 + 1) + A * 257
    assert count(make(stack=1)) == count(make()) - 3 * 16 * 64


def test_the_first_layer_equals_a_plain_convolution_forward_and_backward() -> None:
    """BlockConv against Conv2d(8x8, stride 4) on pixels / 255 with the same weights, in float64."""
    blocks, planes = stacks()
    torch.manual_seed(1)
    ours, plain = BlockConv(4, 16, 8, 4).double(), nn.Conv2d(4, 16, 8, 4).double()
    plain.load_state_dict(ours.state_dict())
    got = ours(blocks.view(-1, 21, 21, 64).permute(0, 3, 1, 2).double())
    wanted = plain(planes.double() / 255)
    torch.testing.assert_close(got, wanted, rtol=1e-10, atol=1e-10)
    upstream = torch.randn_like(wanted)
    got.backward(upstream)
    wanted.backward(upstream)
    for ours_p, plain_p in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours_p.grad, plain_p.grad, rtol=1e-9, atol=1e-9)


class Plain(nn.Module):
    """The same networks in textbook form, on planes [B, K, H, W]."""

    def __init__(self, ours: QNetwork) -> None:
        super().__init__()
        self.ours = ours

    def forward(self, planes: Tensor) -> Tensor:
        """Return the values, with every layer replaced by its textbook form."""
        x = planes.double() / 255
        for layer in self.ours.body:
            if isinstance(layer, nn.Conv2d):
                x = torch.conv2d(x, layer.weight.double(), layer.bias.double(), layer.stride)  # type: ignore[union-attr]
            elif isinstance(layer, LayerNormNHWC):
                height, width, channels = layer.shape
                weight, bias = (
                    p.double().view(height, width, channels).permute(2, 0, 1) for p in layer.norm.parameters()
                )
                x = torch.layer_norm(x, (channels, height, width), weight, bias)
            elif isinstance(layer, nn.Linear):
                if x.ndim == 4:  # the weights expect channels last
                    channels, height, width = x.shape[1:]
                    folded = layer.weight.double().view(-1, height, width, channels).permute(0, 3, 1, 2).flatten(1)
                    x = x.flatten(1) @ folded.T + layer.bias.double()
                else:
                    x = x @ layer.weight.double().T + layer.bias.double()
            elif isinstance(layer, nn.LayerNorm):
                x = torch.layer_norm(x, layer.normalized_shape, layer.weight.double(), layer.bias.double())
            elif isinstance(layer, nn.ReLU):
                x = x.clamp(min=0)
        head = self.ours.advantage
        q = x @ head.weight.double().T + head.bias.double()
        if self.ours.value is None:
            return q
        value = x @ self.ours.value.weight.double().T + self.ours.value.bias.double()
        return value + q - q.sum(1, keepdim=True) / q.shape[1]


@pytest.mark.parametrize(
    ("kind", "dueling", "layer_norm", "convs"),
    [
        *((*case, True) for case in itertools.product(["dqn2013", "dqn2015", "stem"], [False, True], [False, True])),
        ("dqn2013", False, True, False),
    ],
)
def test_whole_networks_equal_their_textbook_forms(kind: str, dueling: bool, layer_norm: bool, convs: bool) -> None:
    """Values and gradients; dueling is Wang et al.'s equation 9, layer norm torch.nn.LayerNorm over [C, H, W]."""
    network = make(kind, dueling=dueling, layer_norm=layer_norm, layer_norm_convs=convs)
    with torch.no_grad():
        for name, p in network.named_parameters():
            if "norm" in name:
                p += 0.3 * torch.randn_like(p)  # ones and zeros would hide a wrong order
    blocks, planes = stacks()
    grads = []
    for q in (network(blocks), Plain(network)(planes).float()):
        network.zero_grad()
        (q * torch.arange(3 * A).view(3, A)).sum().backward()  # type: ignore[no-untyped-call]
        grads.append((q.detach(), [p.grad.clone() for p in network.parameters() if p.grad is not None]))
    (ours, our_grads), (theirs, their_grads) = grads
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    assert len(our_grads) == len(list(network.parameters()))
    for one, other in zip(our_grads, their_grads, strict=True):
        torch.testing.assert_close(one, other, rtol=2e-3, atol=2e-3 * float(other.abs().max()))


def test_dueling_advantages_have_mean_zero_around_the_value() -> None:
    network, (blocks, _) = make(dueling=True), stacks()
    assert network.value is not None
    with torch.no_grad():
        features = network.body(blocks.view(-1, 21, 21, 64).permute(0, 3, 1, 2).float())
        torch.testing.assert_close(network(blocks).mean(1, keepdim=True), network.value(features), rtol=1e-4, atol=1e-5)


def test_the_mlp_reads_the_whole_stack() -> None:
    network = make("mlp", (3,), stack=2, hidden=8)
    obs = torch.randn(5, 1, 2, 3)
    first, second = network.body[0], network.body[2]
    hidden = second(first(obs.flatten(1)).clamp(min=0)).clamp(min=0)
    torch.testing.assert_close(network(obs), network.advantage(hidden))
    assert (network(obs) != network(obs.flip(2))).any()


def test_values_are_float32_also_under_autocast() -> None:
    """bfloat16 moves values by 0.02 at most, C20's tolerance."""
    blocks, _ = stacks()
    for kind, options in (("dqn2013", {}), ("dqn2015", {"dueling": True, "layer_norm": True})):
        network = make(kind, **options).requires_grad_(False)
        with torch.autocast("cpu", torch.bfloat16):
            low = network(blocks)
        assert low.dtype == torch.float32
        torch.testing.assert_close(low, network(blocks), rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize(
    ("kind", "frame_shape", "wanted"),
    [("mlp", PIXELS, "dqn2013, dqn2015, stem or impala"), ("dqn2013", (4,), "use mlp")],
)
def test_a_network_that_does_not_fit_the_frames_is_refused(kind: str, frame_shape: Any, wanted: str) -> None:
    with pytest.raises(ValueError, match=wanted):
        make(kind, frame_shape)

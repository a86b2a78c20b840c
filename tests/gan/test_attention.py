"""Self-attention compared with slow loops, its residual control, and the placement of both in the networks."""

from __future__ import annotations

import pytest
import torch

from gan.layers import ResidualBlock, SelfAttention
from gan.samples.attention import attention_picture
from tests.gan.test_networks import networks


def test_attention_begins_as_identity_and_equals_the_sum_over_places() -> None:
    torch.manual_seed(0)
    block, x = SelfAttention(8), torch.randn(2, 8, 2, 3)
    assert torch.equal(block(x), x)
    with torch.no_grad():
        block.share.fill_(0.7)
    query, key, value = (layer(x).flatten(2) for layer in (block.query, block.key, block.value))
    wanted = torch.zeros(2, 4, 6)
    for b in range(2):
        for j in range(6):  # the querying place
            scores = torch.stack([query[b, :, j] @ key[b, :, i] for i in range(6)])
            wanted[b, :, j] = sum(weight * value[b, :, i] for i, weight in enumerate(scores.softmax(0)))
    torch.testing.assert_close(block(x), x + 0.7 * block.out(wanted.view(2, 4, 2, 3)))


@pytest.mark.parametrize("channels", [16, 32, 64, 128])
def test_the_control_of_attention_has_as_many_weights_and_begins_as_identity(channels: int) -> None:
    blocks = SelfAttention(channels), ResidualBlock(channels)
    counts = [sum(weight.numel() for weight in block.parameters()) for block in blocks]
    assert counts[1] == pytest.approx(counts[0], rel=0.05)
    x = torch.randn(1, channels, 5, 7, requires_grad=True)
    assert torch.equal(blocks[1](x), x)
    with torch.no_grad():
        blocks[1].near.bias.fill_(9.0)  # every rectifier is active
        for block in blocks:
            block.share.fill_(0.7)
    for block, reach in zip(blocks, (35, 9), strict=True):
        (slope,) = torch.autograd.grad(block(x)[0, :, 2, 3].sum(), x)
        assert int((slope.abs().sum((0, 1)) > 0).sum()) == reach, "all places, or the neighbours alone"


@pytest.mark.parametrize("halvings", [1, 2, 3])
@pytest.mark.parametrize("norm", ["none", "spectral"])
def test_attention_stands_where_it_is_asked_for(halvings: int, norm: str) -> None:
    """Attention runs at 16, 8 or 4 of 32 rows, and has spectral norm only where the discriminator has it."""
    generator, discriminator = networks((1, 32, 64), attention=True, block_halvings=halvings, discriminator_norm=norm)
    rows: list[int] = []
    for network in (generator, discriminator):
        (layer,) = (module for module in network.modules() if isinstance(module, SelfAttention))
        layer.register_forward_pre_hook(lambda _, given: rows.append(given[0].shape[2]))
    discriminator(generator(torch.randn(2, 6)))
    assert rows == [32 >> halvings] * 2
    (inside,) = (module for module in discriminator.modules() if isinstance(module, SelfAttention))
    bound = {name.split(".")[0] for name, _ in inside.named_parameters() if "parametrizations" in name}
    assert bound == (set() if norm == "none" else {"query", "key", "value", "out"})


@pytest.mark.parametrize("block", ["attention", "residual"])
def test_a_block_that_would_stand_nowhere_is_refused(block: str) -> None:
    with pytest.raises(ValueError, match=r"block_halvings is 3: these images are halved 2 times, use no more"):
        networks((1, 28, 28), **{block: True}, block_halvings=3)


@pytest.mark.parametrize("colours", [1, 2, 3, 4])
def test_stacks_of_any_number_are_drawn_beside_what_is_looked_at(colours: int) -> None:
    generator, _ = networks((colours, 16, 16), attention=True)
    picture = attention_picture(generator)
    assert picture is not None
    assert picture.shape == (8 * 17 - 1, 4 * 17 - 1, 3)
    assert (picture[:16, :16, 0] != picture[:16, :16, 2]).any() == (colours > 1)

"""Memories: step by step equals all at once, without a leak from other episodes or from the future."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from agents.networks.memory import Attention, Recurrent
from agents.networks.recurrent import MEMORIES, MemoryKind, MemoryNetworkSettings, MemoryQNetwork, make_memory

F, K = 8, 5


def memory_of(kind: MemoryKind, seed: int = 0) -> Attention | Recurrent:
    """Return a small memory with weights of this seed."""
    torch.manual_seed(seed)
    made = make_memory(MemoryNetworkSettings(kind="mlp", memory=kind, window=K, span=20), F)
    assert isinstance(made, torch.nn.Module)
    return made  # type: ignore[return-value]


def given_input(time: int, batch: int, resets: list[tuple[int, int]], seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return random features [T, B, F], and the flags of episodes that begin at (t, b)."""
    generator = torch.Generator().manual_seed(seed)
    first = torch.zeros(time, batch, dtype=torch.bool)
    for t, b in resets:
        first[t % time, b % batch] = True
    return torch.randn(time, batch, F, generator=generator), first


RESETS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), max_size=6)


@pytest.mark.parametrize("kind", MEMORIES)
@settings(max_examples=15)
@given(time=st.integers(1, 12), cut=st.integers(0, 12), resets=RESETS)
def test_a_state_is_all_that_is_to_be_known(
    kind: MemoryKind, time: int, cut: int, resets: list[tuple[int, int]]
) -> None:
    """All at once, in two parts, or step by step: the same outputs, states and attention weights."""
    memory, (x, first) = memory_of(kind), given_input(time, 3, resets)
    whole = memory(x, first, torch.zeros(3, memory.size))
    cut = min(cut, time - 1)
    for parts in ([cut, time - cut], [1] * time):
        state, begin = torch.zeros(3, memory.size), 0
        for length in filter(None, parts):
            rows = slice(begin, begin + length)
            found = memory(x[rows], first[rows], state)
            torch.testing.assert_close(found.out, whole.out[rows], rtol=1e-4, atol=1e-5)
            if whole.attention is not None and found.attention is not None:
                torch.testing.assert_close(found.attention, whole.attention[rows], rtol=1e-4, atol=1e-5)
            state, begin = found.state, begin + length
        torch.testing.assert_close(state, whole.state, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", MEMORIES)
def test_a_new_episode_knows_nothing_of_the_old_one(kind: MemoryKind) -> None:
    """After `first`, outputs and states are those of an empty memory, for any earlier state, in this lane alone."""
    memory, (x, first) = memory_of(kind), given_input(9, 2, [(4, 0)])
    full = torch.randn(2, memory.size)
    found = memory(x, first, full)
    fresh = memory(x[4:, :1], torch.zeros(5, 1, dtype=torch.bool), torch.zeros(1, memory.size))
    torch.testing.assert_close(found.out[4:, :1], fresh.out, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found.state[:1], fresh.state, rtol=1e-5, atol=1e-6)
    unbroken = memory(x, torch.zeros_like(first), full)
    torch.testing.assert_close(found.out[:, 1], unbroken.out[:, 1], rtol=1e-5, atol=1e-6)
    if kind != "none":
        assert not torch.allclose(found.out[4:, 0], unbroken.out[4:, 0]), "there was something to forget"


def test_attention_is_causal_and_sees_a_window() -> None:
    """The output at a frame depends on the K newest frames of its episode, and on no other."""
    memory, (x, first) = memory_of("attention"), given_input(12, 1, [(3, 0)])
    x = x.requires_grad_()
    out = memory(x, first, torch.zeros(1, memory.size)).out
    for t in range(12):
        (moved,) = torch.autograd.grad(out[t].square().sum(), x, retain_graph=True)
        seen = moved.abs().sum((1, 2)) > 0
        begin = 3 if t >= 3 else 0
        assert seen.nonzero().flatten().tolist() == list(range(max(t - K + 1, begin), t + 1))


def test_attention_says_what_it_looks_at() -> None:
    """Weights of the last K frames, the newest last; 0 before the episode began, and a sum of 1."""
    memory, (x, first) = memory_of("attention"), given_input(7, 2, [(0, 0), (0, 1), (5, 0)])
    found = memory(x, first, torch.zeros(2, memory.size)).attention
    assert found is not None
    assert found.shape == (7, 2, K)
    torch.testing.assert_close(found.sum(2), torch.ones(7, 2))
    known = (found > 0).sum(2)
    assert known[:, 0].tolist() == [1, 2, 3, 4, 5, 1, 2]
    assert known[:, 1].tolist() == [1, 2, 3, 4, 5, 5, 5]
    assert (found[5, 0, :-1] == 0).all()


def test_attention_has_about_as_many_weights_as_an_lstm() -> None:
    for width, window in ((32, 64), (64, 16)):
        sizes = [
            sum(p.numel() for p in m.parameters()) for m in (Attention(width, window), Recurrent("lstm", width, 0))
        ]
        assert sizes[0] == pytest.approx(sizes[1], rel=0.3)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_gates_hold_on_for_as_long_as_they_are_told_to(kind: str) -> None:
    """Without input and recurrent weights, 1 / (1 - share kept) is 1 + U(1, span - 1) steps."""
    torch.manual_seed(1)
    memory = Recurrent(kind, 400, 50)
    for name, weights in memory.layer.named_parameters():
        if name.startswith("weight"):
            weights.data.zero_()
    given = torch.zeros(1, 2, 400), torch.zeros(1, 2, dtype=torch.bool)
    state = torch.stack([torch.ones(memory.size), torch.zeros(memory.size)])
    after = memory(*given, state).state.detach()[:, -400:]  # the cells of an LSTM
    steps = 1.0 / (1.0 - (after[0] - after[1]))
    assert 1.99 < float(steps.min()) < 3
    assert 48 < float(steps.max()) < 50.1
    assert 22 < float(steps.median()) < 30


def network_of(kind: MemoryKind, frame: tuple[int, ...] = (3,)) -> MemoryQNetwork:
    """Return a network of two actions."""
    torch.manual_seed(2)
    body = "mlp" if len(frame) == 1 else "dqn2013"
    return MemoryQNetwork(MemoryNetworkSettings(kind=body, hidden=8, memory=kind, window=4), frame, 2)


@pytest.mark.parametrize("kind", MEMORIES)
def test_a_network_of_one_frame_is_the_first_step_of_an_episode(kind: MemoryKind) -> None:
    network = network_of(kind)
    obs = torch.randn(4, 1, 1, 3)
    whole = network.unroll(obs[:, :, 0][None], torch.ones(1, 4, dtype=torch.bool), torch.randn(4, network.memory.size))
    torch.testing.assert_close(network(obs), whole.out[0])
    assert network.start(4).shape == (4, network.memory.size)


def test_pixels_pass_through_the_convolutions_of_2013() -> None:
    network = network_of("lstm", (84, 84))
    frames = torch.randint(0, 256, (3, 2, 441, 16), dtype=torch.uint8)
    found = network.unroll(frames, torch.zeros(3, 2, dtype=torch.bool), network.start(2))
    assert found.out.shape == (3, 2, 2)
    assert found.out.std() > 0
    assert network.width == 256
    with torch.autocast("cpu", torch.bfloat16):
        coarse = network.unroll(frames, torch.zeros(3, 2, dtype=torch.bool), network.start(2))
    assert coarse.state.dtype == torch.float32, "the memory computes in float32"
    torch.testing.assert_close(coarse.out, found.out, rtol=0.1, atol=0.02)


def test_impossible_networks_are_refused() -> None:
    for wrong, remedy in (
        ({"memory": "tape"}, "use one of lstm"),
        ({"stack": 4}, "sees 1 frame"),
        ({"head": "quantile"}, "use network.head scalar"),
        ({"window": 1}, "2 or more"),
        ({"hidden": 0}, "network.hidden is 0"),
    ):
        with pytest.raises(ValueError, match=remedy):
            MemoryNetworkSettings(kind="mlp", **wrong)
    assert math.isclose(sum(p.numel() for p in network_of("none").parameters()), 8 * 3 + 8 + 64 + 8 + 18)

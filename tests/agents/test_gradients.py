"""How far back gradients reach in the benchmark of sequence learners."""

from __future__ import annotations

import torch
from torch import nn

from benchmarks.gradients import BATCH, KINDS, SYMBOLS, WIDTH, Reader

LENGTH = 40


def curve(name: str) -> tuple[Reader, torch.Tensor, torch.Tensor]:
    """Return an untrained reader, symbols, and its gradients [T]."""
    torch.manual_seed(0)
    kind, directions, holds = KINDS[name]
    reader = Reader(kind, directions, 2 * LENGTH if holds else 0, LENGTH)
    symbols = torch.randint(SYMBOLS, (LENGTH, BATCH))
    return reader, symbols, reader.gradients(symbols)


def test_the_last_step_is_told_by_the_dense_layer_alone() -> None:
    reader, symbols, found = curve("LSTM")
    logits = reader(symbols).detach()
    wrong = logits.softmax(1) - nn.functional.one_hot(symbols[0], SYMBOLS)
    torch.testing.assert_close(found[-1], (wrong @ reader.head.weight.detach()).norm(dim=1).mean(), rtol=1e-4, atol=0.0)
    assert reader.head.weight.shape == (SYMBOLS, WIDTH)


def test_a_plain_cell_hears_nothing_from_far_away_and_the_others_do() -> None:
    """Gradients of a plain RNN vanish far back, and of a bidirectional one in the middle; LSTM and GRU keep over 5%."""
    share = {name: (found := curve(name)[2]) / found.max() for name in KINDS}
    assert share["RNN"][0] < 1e-8
    assert share["LSTM, torch's biases"][0] < 1e-6
    assert share["bidirectional RNN"][[0, -1]].min() > 0.1
    assert share["bidirectional RNN"][LENGTH // 2] < 1e-4
    for name in ("LSTM", "GRU"):
        assert share[name].min() > 0.05
    assert share["self-attention"][:-1].std() < 0.2 * share["self-attention"][:-1].mean(), "the same to every step"

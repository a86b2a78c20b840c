"""The benchmark of a learner alone trains and prints a line with the speed for each preset and batch size."""

from __future__ import annotations

import json

import pytest

from benchmarks.learner import APE_X, main


def test_each_preset_and_batch_size_has_a_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--presets", "pong", "rainbow", "--batch-sizes", "8", "16", "--capacity", "2000", "--device", "cpu"]
    monkeypatch.setattr("sys.argv", ["learner", *words, "--kinds", "dqn2013", "--seconds", "0.01", "--rounds", "1"])
    monkeypatch.setattr("torch.set_num_threads", lambda count: None)
    main()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    asked = [(line["preset"], line["kind"], line["batch_size"], line["device"]) for line in lines]
    assert asked == [(preset, "dqn2013", size, "cpu") for preset in ("pong", "rainbow") for size in (8, 16)]
    for line in lines:
        assert 0 < line["least"] <= line["samples_per_second"] <= line["most"]
        assert line["times_ape_x"] == pytest.approx(line["samples_per_second"] / APE_X, rel=1e-3)

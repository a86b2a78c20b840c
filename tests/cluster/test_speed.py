"""The summary lines of the speed benchmark, with constants in place of measurements."""

from __future__ import annotations

import json

import pytest

from benchmarks.speed import PEERS, main


def test_the_last_line_has_the_medians_of_the_rounds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = iter([10.0, 40.0, 20.0])
    theirs = {"sb3": 5.0, "rllib": 4.0}

    def loop(ratio: float, seconds: float) -> dict[str, float]:
        return {"agent_steps_per_second": next(ours), "samples_per_step": ratio, "seconds": seconds}

    monkeypatch.setattr("benchmarks.speed.all_cores", lambda part, seconds: 100.0)
    monkeypatch.setattr("benchmarks.speed.loop", loop)
    monkeypatch.setattr("benchmarks.speed.peer", lambda system, *_: {"agent_steps_per_second": theirs[system]})
    monkeypatch.setattr("sys.argv", ["speed", "--ratios", "2", "--rounds", "3", "--peers"])
    main()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (median,) = (line for line in lines if line["measured"] == "median")
    assert (median["rounds"], median["samples_per_step"], median["quarterdeck"]) == (3, 2, 20.0)
    assert median["of_roofline"] == pytest.approx(20.0 * (1 / 100 + 1 / 100 + 2 * (1 / 100 + 1 / 100)))
    assert {name: median[name] for name in theirs} == theirs
    faster = [line["times_faster"] for line in lines if line["measured"] == "sb3"]
    assert faster == [rate / 5.0 for rate in (10.0, 10.0, 40.0, 40.0, 20.0, 20.0)]
    assert [line["measured"] for line in lines].count("rllib") == 3 * sum(name == "rllib" for name, _ in PEERS)

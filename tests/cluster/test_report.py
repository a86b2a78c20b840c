"""`quarterdeck report`: seeds are aggregated; kinds of scores, protocols and games stay separate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from agents.evaluation.bootstrap import iqm, stratified_bootstrap
from agents.report import figures
from agents.report.runs import read_run
from agents.report.scores import at_equal_frames, band, rows_of
from cluster.cli.main import main
from cluster.workloads import settings_of_run
from tests.cluster.written_runs import rows, three_seeds, write_evaluation, write_run


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change into an empty working directory and return it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_seeds_become_one_row_with_its_interval(capsys: pytest.CaptureFixture[str]) -> None:
    """C25: seeds become one row with interval and protocol; report.md lists the rules of the protocol."""
    assert main(["report", *three_seeds()]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    (row,) = rows()
    assert (row["game"], row["runs"], row["protocol"], row["seeds"]) == ("pong", "pong", "classic", "0 1 2")
    assert (row["frames_min"], row["frames_max"], row["episodes"]) == ("2000000", "2000000", "2 2 2")
    wanted = stratified_bootstrap(iqm, [np.array([19.0, 15.0, 20.0])])
    assert [float(row[name]) for name in ("mean", "iqm", "iqm_low", "iqm_high")] == pytest.approx(
        [18.0, *(float(value) for value in wanted)]
    )
    assert float(row["human_normalised"]) == pytest.approx((18 + 20.7) / 35.3)
    assert float(row["human_normalised_low"]) == pytest.approx((float(wanted.low) + 20.7) / 35.3)
    text = Path("report/report.md").read_text()
    assert "sticky 0.0, life_signal False, noop_max 30, fire_reset True, action_set minimal, frame_skip 4" in text
    assert "| pong | pong | classic  | 2.00M  | 0 1 2 | 18.00 | 18.00 [15.00, 20.00] |" in text
    assert "| pong | pong | classic  | 2.00M  | 0 1 2 | 18.00 | 18.00 [15.00, 20.00] |" in said.out
    names = {file.name for file in Path("report").iterdir()}
    assert names == {"report.md", "scores.csv", "curves-pong.png", "profiles.png"}
    for name in ("curves-pong.png", "profiles.png"):
        assert f"({name})" in text
        with Image.open(Path("report") / name) as picture:
            assert min(picture.size) > 300


def test_c22_no_return_of_training_is_ever_a_score() -> None:
    """C22: scores do not depend on training games, and a run without an evaluation has none."""
    runs = three_seeds()
    assert main(["report", *runs, "--out", "one"]) == 0
    for seed, run in enumerate(runs):
        Path(run, "curve.csv").unlink()
        lucky = write_run(Path(f"lucky{seed}"), curve=[(1_000_000, 21.0, 21.0, 21.0)])
        Path(run, "curve.csv").write_bytes((lucky / "curve.csv").read_bytes())
    assert main(["report", *runs, "--out", "other"]) == 0
    assert rows(Path("one")) == rows(Path("other"))
    write_run(Path("stopped"), None, curve=[(1_000_000, 21.0, 21.0, 21.0)])
    assert main(["report", "stopped", "--out", "third"]) == 0
    (row,) = rows(Path("third"))
    assert (row["protocol"], row["mean"], row["iqm"], row["human_normalised"]) == ("", "", "", "")
    assert row["note"] == "no evaluation"


def test_c25_protocols_are_rows_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    """C25: protocols get separate rows, also with equal names but other rules; training on minimal actions is noted."""
    runs = three_seeds()
    for run in runs[:2]:
        write_evaluation(Path(run), [10.0, 12.0], "machado")
    assert main(["report", *runs]) == 0
    found = {row["protocol"]: row for row in rows()}
    assert found.keys() == {"classic", "machado"}
    assert (found["classic"]["mean"], found["classic"]["seeds"]) == ("18.0", "0 1 2")
    assert (found["machado"]["mean"], found["machado"]["seeds"]) == ("11.0", "0 1")
    assert found["machado"]["note"] == "trained with minimal actions"
    summary = json.loads(Path("s2/summary.json").read_text())
    summary["eval"]["protocol"]["epsilon"] = 0.05
    Path("s2/summary.json").write_text(json.dumps(summary))
    assert main(["report", *runs]) == 0
    seeds = {row["protocol"]: row["seeds"] for row in rows()}
    assert seeds == {"classic, epsilon=0.0": "0 1", "classic, epsilon=0.05": "2", "machado": "0 1"}


def test_several_games_and_presets_are_put_together(capsys: pytest.CaptureFixture[str]) -> None:
    """The report has normalised scores over games and the probability of improvement, here 0 for atari over pong."""
    runs = []
    for preset, points in (("pong", 20.0), ("atari", 2.0)):
        for seed in range(2):
            for game in ("pong", "breakout"):
                name = Path(f"{preset}-{game}-{seed}")
                runs.append(str(write_run(name, (points + seed,), preset=preset, game=game, seed=seed)))
    assert main(["report", *runs]) == 0
    text = Path("report/report.md").read_text()
    assert [row["game"] for row in rows()] == ["breakout", "breakout", "pong", "pong"]
    (together,) = (line for line in text.splitlines() if line.startswith("| pong ") and "| breakout pong |" in line)
    normal = np.array([[20 + 20.7, 21 + 20.7], [(20 - 1.7) * 35.3 / 28.8, (21 - 1.7) * 35.3 / 28.8]]) / 35.3
    assert f"| {iqm(list(normal)):.2f} [" in together
    (better,) = (line for line in text.splitlines() if line.startswith("| classic") and "| atari |" in line)
    assert better.endswith("| breakout pong | 0.00 [0.00, 0.00] |"), "atari over pong"
    assert (Path("report") / "improvement.png").is_file()
    assert "DQN 2015" in text
    assert "401.2" in text


def test_training_games_stand_beside_published_ones_at_equal_frames() -> None:
    """Training games are compared with published ones at frames that all seeds have reached, both interpolated."""
    short = ((1_000_000, -20.0, -20.0, None), (1_500_000, -10.0, -10.0, None))
    runs = [
        read_run(write_run(Path("a")), settings_of_run),
        read_run(write_run(Path("b"), seed=1, curve=short), settings_of_run),
    ]
    (found,) = at_equal_frames(runs)
    assert (found.frames, found.seeds) == (1_500_000, 2)
    assert float(found.interval.estimate) == (-12.0 + -10.0) / 2
    assert found.published["DQN"] == pytest.approx((-20.19 + -18.36) / 2)
    frames, interval = band([run.curves["all_lanes"] for run in runs])
    assert (frames[0], frames[-1]) == (1_000_000, 1_500_000)
    assert interval.estimate[[0, -1]].tolist() == [-20.0, -11.0]
    assert (interval.low <= interval.estimate).all()
    assert (interval.low[-1], interval.high[-1]) == (-12.0, -10.0)


def test_c22_kinds_of_scores_have_panels_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """C22: published training games share a panel with training games only, and each protocol has its own panel."""
    saved: list[Any] = []
    monkeypatch.setattr(figures, "_save", lambda figure, picture, columns: saved.append(figure))
    paths = [Path(run) for run in three_seeds()]
    write_evaluation(Path("s0"), [10.0], "machado")
    paths.append(write_run(Path("other"), game="boxing", changes={"replay.n_step": 1}))
    runs = [read_run(path, settings_of_run) for path in paths]
    figures.draw_curves("pong", runs, rows_of(runs), Path("a.png"))
    panels = {axes.get_title(): axes for axes in saved[0].axes}
    assert [*panels] == [
        "training games, all lanes",
        "training games, lanes at low epsilon",
        "evaluation: classic",
        "evaluation: machado",
    ]
    published = {
        title: [x.get_label() for x in axes.lines if "published" in x.get_label()] for title, axes in panels.items()
    }
    assert [len(lines) for lines in published.values()] == [5, 0, 0, 0]
    heights = {title: {float(y) for line in axes.lines for y in line.get_ydata()} for title, axes in panels.items()}
    assert {-20.0, -4.0} <= heights["training games, all lanes"]
    assert {-19.0, -2.0} <= heights["training games, lanes at low epsilon"]
    assert heights["evaluation: classic"] == {3.5, 19.0, 15.0, 20.0, 18.0}, "beside training, at its end, and their IQM"
    assert heights["evaluation: machado"] == {10.0}
    figures.draw_curves("boxing", runs, rows_of(runs), Path("b.png"))
    colours = [{line.get_color() for line in figure.axes[2].lines if line.get_marker() == "o"} for figure in saved]
    assert len(colours[0]) == len(colours[1]) == 1
    assert colours[0] != colours[1], "a configuration has its colour in the figures of all games"

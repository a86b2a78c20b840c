"""`quarterdeck report` as a person uses it: kinds of scores apart, seeds together, nothing lost without a word."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from agents.statistics import iqm, stratified_bootstrap
from cluster import figures
from cluster.cli import main
from cluster.report_runs import RunResult, labels, read_run
from cluster.report_scores import at_equal_frames, band, rows_of
from tests.cluster.helpers import tree
from tests.cluster.records import refused
from tests.cluster.written_runs import CURVE, write_evaluation, write_run


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def three_seeds(**options: Any) -> list[str]:
    """Runs of Pong whose scores are 19, 15 and 20."""
    scores = ((18.0, 20.0), (14.0, 16.0), (20.0, 20.0))
    return [str(write_run(Path(f"s{seed}"), scores[seed], seed=seed, **options)) for seed in range(3)]


def rows(out: Path = Path("report")) -> list[dict[str, str]]:
    """scores.csv."""
    with (out / "scores.csv").open() as table:
        return list(csv.DictReader(table))


def test_seeds_become_one_row_with_its_interval(capsys: pytest.CaptureFixture[str]) -> None:
    """C25: the row says under which protocol, and report.md what that is."""
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
    """C22: the same evaluations with other training games give the same scores; without evaluation there is none."""
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
    """C25: also two of one name whose rules differ, and a policy that knows only minimal actions is told of."""
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


def test_of_the_same_games_the_larger_evaluation_counts() -> None:
    run = write_run(Path("run"), (18.0, 20.0))
    file = write_evaluation(run, (10.0,), "classic")
    assert read_run(run).judged[file.stem.removeprefix("evaluation-")].mean == 19.0
    write_evaluation(run, (10.0, 11.0, 12.0), "classic")
    assert [judged.mean for judged in read_run(run).judged.values()] == [11.0]


def test_an_evaluation_of_an_older_checkpoint_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(Path("run"))
    write_evaluation(run, [10.0], "machado", checkpoint="elsewhere/agent_steps-000000100000")
    assert main(["report", "run"]) == 0
    assert [row["protocol"] for row in rows()] == ["classic"]
    assert "judges an older checkpoint, evaluate the run again" in capsys.readouterr().err


def test_settings_make_groups_and_seeds_do_not() -> None:
    """Only what was learned from counts: ends, evaluation and hardware may differ among seeds."""
    runs = three_seeds()
    free = {"stop.steps": 77, "evaluation.every_steps": 9, "fleet.env_threads": 2, "learner.device": "cpu"}
    runs.append(str(write_run(Path("s3"), seed=3, changes=free)))
    runs.append(str(write_run(Path("n3"), (1.0,), seed=0, changes={"replay.n_step": 3})))
    assert main(["report", *runs]) == 0
    found = {row["runs"]: row["seeds"] for row in rows()}
    assert found == {"pong, replay.n_step=5": "0 1 2 3", "pong, replay.n_step=3": "0"}
    assert labels([("a", {"x": 1}), ("b", {"x": 2}), ("a", {"x": 1, "y": 3})]) == ["a", "b", "a, y=3"]


def test_a_setting_that_is_younger_than_the_run_has_its_default() -> None:
    runs = three_seeds()
    record = json.loads(Path("s1/run.json").read_text())
    del record["settings"]["fleet"]["learners"]
    Path("s1/run.json").write_text(json.dumps(record))
    assert main(["report", *runs]) == 0
    assert [row["seeds"] for row in rows()] == ["0 1 2"]


def test_several_games_and_presets_are_put_together(capsys: pytest.CaptureFixture[str]) -> None:
    """Human-normalised scores over games, and who is better: here one preset always is."""
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
    """At the frames that all seeds have reached, by interpolation on both sides."""
    short = ((1_000_000, -20.0, -20.0, None), (1_500_000, -10.0, -10.0, None))
    runs = [read_run(write_run(Path("a"))), read_run(write_run(Path("b"), seed=1, curve=short))]
    (found,) = at_equal_frames(runs)
    assert (found["frames"], found["seeds"]) == (1_500_000, 2)
    assert float(found["interval"].estimate) == (-12.0 + -10.0) / 2
    assert found["published"]["DQN"] == pytest.approx((-20.19 + -18.36) / 2)
    frames, interval = band([run.curves["all_lanes"] for run in runs])
    assert (frames[0], frames[-1]) == (1_000_000, 1_500_000)
    assert interval.estimate[[0, -1]].tolist() == [-20.0, -11.0]
    assert (interval.low <= interval.estimate).all()
    assert (interval.low[-1], interval.high[-1]) == (-12.0, -10.0)


def test_c22_kinds_of_scores_have_panels_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """C22: published training games stand beside training games alone, a protocol shares no panel with another."""
    saved: list[Any] = []
    monkeypatch.setattr(figures, "_save", lambda figure, picture, columns: saved.append(figure))
    runs = [read_run(Path(run)) for run in three_seeds()]
    write_evaluation(Path("s0"), [10.0], "machado")
    runs[0] = read_run(Path("s0"))
    figures.draw_curves("pong", runs, rows_of(runs), Path("a.png"))
    panels = {axes.get_title(): axes for axes in saved[0].axes}
    assert [*panels] == [
        "training games, all lanes",
        "training games, lanes that explore least",
        "evaluation: classic",
        "evaluation: machado",
    ]
    published = {
        title: [x.get_label() for x in axes.lines if "published" in x.get_label()] for title, axes in panels.items()
    }
    assert [len(lines) for lines in published.values()] == [5, 0, 0, 0]
    heights = {title: {float(y) for line in axes.lines for y in line.get_ydata()} for title, axes in panels.items()}
    assert {-20.0, -4.0} <= heights["training games, all lanes"]
    assert {-19.0, -2.0} <= heights["training games, lanes that explore least"]
    assert heights["evaluation: classic"] == {3.5, 19.0, 15.0, 20.0, 18.0}, "beside training, at its end, and their IQM"
    assert heights["evaluation: machado"] == {10.0}


def test_what_is_incomplete_or_foreign_gets_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    runs = three_seeds()
    write_run(Path("running"), seed=3, ended=False)
    write_run(Path("fresh"), seed=4, curve=CURVE[:1], ended=False)
    write_run(Path("stopped"), None, seed=5)
    write_run(Path("again"), seed=1)
    write_run(Path("torn"), seed=6)
    Path("torn/summary.json").write_text('{"frames": 3')
    write_run(Path("scratched"), seed=7)
    Path("scratched/curve.csv").write_text("seconds,frames\n1,many\n")
    Path("note.log").write_text("mine")
    Path("gan").mkdir()
    Path("gan/run.json").write_text('{"workload": "gan", "preset": "digits", "serial": true, "settings": {}}')
    others = ["running", "fresh", "stopped", "again", "torn", "scratched", "note.log", "gan", "nowhere", "s0"]
    before = tree(Path())
    assert main(["report", *runs, *others]) == 0
    said = capsys.readouterr().err.splitlines()
    for name, line in {
        "running": "running has not ended: it has a learning curve and no score",
        "fresh": "left out: fresh has no score yet",
        "stopped": "`quarterdeck evaluate stopped` gives it one",
        "again": "again is left out: game, settings and seed are those of s1",
        "torn": "torn/summary.json is damaged",
        "scratched": "scratched/curve.csv is damaged",
        "note.log": "left out: note.log holds no run",
        "gan": "left out: gan is a run of `quarterdeck gan`",
        "nowhere": "left out: nowhere holds no run",
    }.items():
        assert len([told for told in said if line in told]) == 1, name
    assert len(said) == 9, "s0 was given twice, and is there once"
    found = {(row["protocol"], row["seeds"], row["note"]) for row in rows()}
    assert found == {("classic", "0 1 2", ""), ("", "3 5", "no evaluation")}
    assert all(line.removeprefix("quarterdeck: ") in Path("report/report.md").read_text() for line in said)
    assert {name: data for name, data in tree(Path()).items() if not name.startswith("report/")} == before


def test_commits_and_numbers_of_games_that_differ_are_noted() -> None:
    runs = three_seeds()
    runs.append(str(write_run(Path("s3"), (1.0, 2.0, 3.0), seed=3, commit="other")))
    assert main(["report", *runs]) == 0
    assert [row["note"] for row in rows()] == ["numbers of games differ, commits differ"]


def test_nothing_to_report_on_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert "holds no run: give a directory that `quarterdeck train` made" in refused(capsys, "report", "nowhere")
    assert "name directories that `quarterdeck train` made" in refused(capsys, "report")
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("out", ["file", "s0", "full", "file/report", "/proc/report"])
def test_only_our_own_folder_is_written(capsys: pytest.CaptureFixture[str], out: str) -> None:
    runs = three_seeds()
    Path("file").write_text("mine")
    Path("full").mkdir()
    Path("full/report.md").write_text("my own report")
    before = tree(Path())
    assert "name another --out" in refused(capsys, "report", *runs, "--out", out)
    assert tree(Path()) == before


def test_an_earlier_report_is_replaced() -> None:
    write_run(Path("b"), (3.0,), game="breakout")
    assert main(["report", *three_seeds(), "b"]) == 0
    assert Path("report/curves-breakout.png").exists()
    first = tree(Path("report"))
    assert main(["report", "s0", "s1"]) == 0
    assert not Path("report/curves-breakout.png").exists()
    assert [row["seeds"] for row in rows()] == ["0 1"]
    assert main(["report", *(f"s{seed}" for seed in range(3)), "b"]) == 0
    assert tree(Path("report")) == first, "the same runs give the same report, to the last byte"


def test_real_runs_of_both_kinds(catch_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A deep run and a table, as `train` has left them; no human score is known of either."""
    assert main(["train", "taxi", "--steps", "3000", "--report-every", "1000", "--run-dir", "taxi"]) == 0
    assert main(["evaluate", "taxi", "--episodes", "20"]) == 0
    capsys.readouterr()
    assert main(["report", str(catch_run), "taxi"]) == 0
    assert capsys.readouterr().err == ""
    found = {row["game"]: row for row in rows()}
    summaries = {
        name: json.loads((path / "summary.json").read_text())
        for name, path in (("toy/catch", catch_run), ("Taxi-v3", Path("taxi")))
    }
    assert found.keys() == summaries.keys()
    for game, summary in summaries.items():
        assert found[game]["mean"] == str(summary["eval"]["mean"])
        assert found[game]["frames_max"] == str(summary["frames"])
        assert (found[game]["human_normalised"], found[game]["iqm_low"]) == ("", "")
    assert {file.name for file in Path("report").glob("*.png")} == {"curves-Taxi-v3.png", "curves-toy-catch.png"}


def test_read_run_tells_what_the_games_were() -> None:
    run: RunResult = read_run(write_run(Path("run"), game="ALE/MsPacman-v5", changes={"world.sticky": 0.25}))
    assert run.game == "ms_pacman"
    assert run.trained_under == {
        **{"sticky": 0.25, "life_signal": False, "noop_max": 30, "fire_reset": True},
        **{"frame_skip": 4, "frame_cap": 108_000},
    }

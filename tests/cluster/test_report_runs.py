"""Runs and evaluations that `quarterdeck report` uses or omits with a message; other files stay unchanged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agents.curve import JUDGED
from agents.report.runs import FREE, RunResult, labels, read_run
from cluster.cli.main import main
from cluster.workloads import settings_of_run
from tests.cluster.helpers import tree
from tests.cluster.records import refused
from tests.cluster.written_runs import CURVE, rows, three_seeds, write_evaluation, write_run


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change into an empty working directory and return it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_of_the_same_games_the_larger_evaluation_counts() -> None:
    run = write_run(Path("run"), (18.0, 20.0))
    file = write_evaluation(run, (10.0,), "classic")
    assert read_run(run, settings_of_run).judged[file.stem.removeprefix("evaluation-")].mean == 19.0
    write_evaluation(run, (10.0, 11.0, 12.0), "classic")
    assert [judged.mean for judged in read_run(run, settings_of_run).judged.values()] == [11.0]


def test_an_evaluation_of_an_older_checkpoint_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(Path("run"))
    write_evaluation(run, [10.0], "machado", checkpoint="elsewhere/agent_steps-000000100000")
    assert main(["report", "run"]) == 0
    assert [row["protocol"] for row in rows()] == ["classic"]
    assert "judges an older checkpoint, evaluate the run again" in capsys.readouterr().err


def test_settings_make_groups_and_seeds_do_not() -> None:
    """Runs are grouped by the settings that affect learning; ends, evaluation and hardware may differ among seeds."""
    runs = three_seeds()
    free = {"stop.steps": 77, "evaluation.every_steps": 9, "fleet.env_threads": 2, "learner.device": "cpu"}
    runs.append(str(write_run(Path("s3"), seed=3, changes=free)))
    runs.append(str(write_run(Path("n3"), (1.0,), seed=0, changes={"replay.n_step": 3})))
    assert main(["report", *runs]) == 0
    found = {row["runs"]: row["seeds"] for row in rows()}
    assert found == {"pong, replay.n_step=5": "0 1 2 3", "pong, replay.n_step=3": "0"}
    assert labels([("a", {"x": 1}), ("b", {"x": 2}), ("a", {"x": 1, "y": 3})]) == ["a", "b", "a, y=3"]


def test_where_a_rate_falls_to_0_its_end_is_no_free_setting() -> None:
    """Runs with an annealed rate and other ends are not seeds of one configuration; without annealing they are."""
    for name, seed, steps in (("a", 0, 1_000), ("b", 1, 2_000)):
        write_run(Path(name), seed=seed, preset="pqn", changes={"learner.anneal": True, "stop.steps": steps})
        write_run(Path(f"{name} flat"), seed=seed, preset="pqn", changes={"stop.steps": steps})
    runs = [read_run(Path(name), settings_of_run) for name in ("a", "b", "a flat", "b flat")]
    assert runs[0].settings != runs[1].settings
    assert runs[2].settings == runs[3].settings
    assert "steps" not in FREE, "of tables, whose epsilon falls until then"


def test_an_evaluation_stands_where_its_weights_were_taken() -> None:
    """An evaluation is placed at the steps of its weights, or at the end of its games in tables without that column."""
    run = write_run(Path("run"))
    assert read_run(run, settings_of_run).curves["evaluation"].tolist() == [[2_000_000, 3.5]]
    head, *lines = (run / "curve.csv").read_text().splitlines()
    told = [f"{head},{JUDGED}", *(f"{line},450000" for line in lines)]
    (run / "curve.csv").write_text("\n".join(told) + "\n")
    found = read_run(run, settings_of_run).curves
    assert found["evaluation"].tolist() == [[1_800_000, 3.5]]
    assert found["all_lanes"][:, 0].tolist() == [1_000_000, 2_000_000]


def test_black_frames_are_a_rule_of_their_own() -> None:
    """Black frames are part of a run's rules and of its protocol's name, unless there are none."""
    run = write_run(Path("run"), changes={"env.flicker": 0.5})
    summary = json.loads((run / "summary.json").read_text())
    summary["eval"]["protocol"]["flicker"] = 0.5
    (run / "summary.json").write_text(json.dumps(summary))
    found = read_run(run, settings_of_run)
    assert all("-flicker=0.5-" in name for name in found.judged)
    assert found.trained_under["flicker"] == 0.5
    assert "flicker" not in read_run(write_run(Path("plain")), settings_of_run).trained_under


def test_a_setting_that_is_younger_than_the_run_has_its_default() -> None:
    runs = three_seeds()
    record = json.loads(Path("s1/run.json").read_text())
    del record["settings"]["fleet"]["learners"]
    Path("s1/run.json").write_text(json.dumps(record))
    assert main(["report", *runs]) == 0
    assert [row["seeds"] for row in rows()] == ["0 1 2"]


def test_what_is_incomplete_or_foreign_gets_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    runs = three_seeds()
    write_run(Path("running"), seed=3, ended=False)
    write_run(Path("fresh"), seed=4, curve=CURVE[:1], ended=False)
    write_run(Path("was stopped"), None, seed=5)
    write_run(Path("again"), seed=1)
    write_run(Path("torn"), seed=6)
    Path("torn/summary.json").write_text('{"frames": 3')
    write_run(Path("scratched"), seed=7)
    Path("scratched/curve.csv").write_text("seconds,frames\n1,many\n")
    Path("note.log").write_text("mine")
    Path("gan").mkdir()
    Path("gan/run.json").write_text('{"workload": "gan", "preset": "digits", "serial": true, "settings": {}}')
    others = ["running", "fresh", "was stopped", "again", "torn", "scratched", "note.log", "gan", "nowhere", "s0"]
    before = tree(Path())
    assert main(["report", *runs, *others]) == 0
    said = capsys.readouterr().err.splitlines()
    for name, line in {
        "running": "running has not ended: it has a learning curve and no score",
        "fresh": "left out: fresh has no score yet",
        "was stopped": "`quarterdeck evaluate 'was stopped'` gives it one",
        "again": "again is left out: game, settings and seed are those of s1",
        "torn": "torn/summary.json is damaged",
        "scratched": "scratched/curve.csv is damaged",
        "note.log": "left out: note.log holds no run",
        "gan": "left out: gan trained digits, which plays no games",
        "nowhere": "left out: nowhere holds no run",
    }.items():
        assert len([told for told in said if line in told]) == 1, name
    assert len(said) == 9, "s0 was given twice, and is there once"
    found = {(row["protocol"], row["seeds"], row["note"]) for row in rows()}
    assert found == {("classic", "0 1 2", ""), ("", "3 5", "no evaluation")}
    assert all(line.removeprefix("quarterdeck: ") in Path("report/report.md").read_text() for line in said)
    assert {name: data for name, data in tree(Path()).items() if not name.startswith("report/")} == before


def test_games_of_a_league_stand_beside_no_games_for_one() -> None:
    """A self-play run has no curves of training games and a note about them; an ordinary run has both curves."""
    run = read_run(write_run(Path("duel"), preset="pong-duel"), settings_of_run)
    assert run.curves.keys() == {"evaluation"}
    assert run.notes == ("duel learned against itself: its training games are others than those that it is judged by",)
    assert read_run(write_run(Path("alone")), settings_of_run).curves.keys() == {
        "all_lanes",
        "low_epsilon",
        "evaluation",
    }


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
    """A DQN run and a tabular run are reported with their scores, without normalised scores or intervals."""
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
    run: RunResult = read_run(
        write_run(Path("run"), game="ALE/MsPacman-v5", changes={"env.sticky": 0.25}), settings_of_run
    )
    assert run.game == "ms_pacman"
    assert run.trained_under == {
        **{"sticky": 0.25, "life_signal": False, "noop_max": 30, "fire_reset": True},
        **{"action_set": "minimal", "frame_skip": 4, "frame_cap": 108_000},
    }

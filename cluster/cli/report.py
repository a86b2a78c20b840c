"""`quarterdeck report`: tables and figures of many runs."""

from __future__ import annotations

import sys
from pathlib import Path

from agents.report.figures import draw_curves, draw_improvements, draw_profiles
from agents.report.runs import RunResult, distinct, read_run
from agents.report.scores import Row, rows_of
from agents.report.tables import markdown, score_table, write_csv
from cluster.cli.options import Report
from cluster.workloads import settings_of_run
from training.storage.files import write_text

TITLE = "# Report of quarterdeck runs"
FILES = ("report.md", "scores.csv", "profiles.png", "improvement.png")


def report(options: Report) -> int:
    """Run `quarterdeck report RUN_DIR ... [--out DIR]`."""
    if not options.run_dirs:
        raise ValueError("no run to report on: name directories that `quarterdeck train` made")
    _require_ours(options.out)
    runs, notes = _read(options.run_dirs)
    rows = rows_of(runs)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        _write(options.out, runs, rows, notes)
    except OSError as error:
        raise ValueError(f"cannot write to {options.out} ({error.strerror}): name another --out") from None
    print(score_table(rows))
    print(f"the whole report is in {options.out / 'report.md'}")
    for note in notes:
        print(f"quarterdeck: {note}", file=sys.stderr)
    return 0


def _read(paths: tuple[Path, ...]) -> tuple[list[RunResult], list[str]]:
    """Return all readable runs, and notes on missing or incomplete ones.

    Raises:
        ValueError: none is readable.
    """
    runs, notes = [], []
    for path in paths:
        try:
            run = read_run(path, settings_of_run)
        except ValueError as error:
            notes.append(f"left out: {error}")
        else:
            runs.append(run)
            notes += run.notes
    if not runs:
        raise ValueError("; ".join(notes))
    kept, doubled = distinct(runs)
    return kept, notes + doubled


def _require_ours(out: Path) -> None:
    """Check that `out` is new, empty or the folder of a report.

    Raises:
        ValueError: it is not.
    """
    mine = out / "report.md"
    if mine.is_file() and mine.read_text(errors="replace").startswith(TITLE):
        return
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} is not an empty folder, and holds no report of ours: name another --out")


def _write(out: Path, runs: list[RunResult], rows: list[Row], notes: list[str]) -> None:
    """Write figures before report.md, which links them; its heading is written first, to mark the folder."""
    if not (out / FILES[0]).exists():
        (out / FILES[0]).write_text(f"{TITLE}\n\nNot finished.\n")
    for old in (*out.glob("curves-*.png"), *(out / name for name in FILES[1:])):
        old.unlink(missing_ok=True)
    figures = []
    for game in sorted({run.game for run in runs}):
        name = f"curves-{game.replace('/', '-')}.png"
        draw_curves(game, runs, rows, out / name)
        figures.append(name)
    for name, draw in (("profiles.png", draw_profiles), ("improvement.png", draw_improvements)):
        if draw(rows, out / name):
            figures.append(name)
    write_csv(rows, out / "scores.csv")
    write_text(out / "report.md", f"{TITLE}\n\n" + markdown(rows, runs, figures, notes))

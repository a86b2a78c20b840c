"""Scores of many runs as Markdown and CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.evaluation import bootstrap
from agents.evaluation.bootstrap import Interval, stratified_bootstrap
from agents.report.runs import RunResult
from agents.report.scores import STATISTICS, Row, at_equal_frames, improvements, pooled, protocol_labels
from envs.published import CURVES_ARE, published_scores

HEAD = ("game", "runs", "protocol", "frames", "seeds", "mean", "IQM [95 %]", "human-normalised IQM [95 %]", "note")
CSV_HEAD = (
    "game", "runs", "protocol", "frames_min", "frames_max", "seeds", "episodes", "mean", "iqm", "iqm_low", "iqm_high",
    "human_normalised", "human_normalised_low", "human_normalised_high", "note",
)  # fmt: skip


def score_table(rows: Sequence[Row]) -> str:
    """Return the Markdown table of evaluation scores."""
    return _table(HEAD, (_score_cells(row) for row in rows))


def write_csv(rows: Sequence[Row], file: Path) -> None:
    """Write the scores in full precision as CSV, with empty cells for missing values."""
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(CSV_HEAD)
        for row in rows:
            frames = [run.frames for run in row.runs]
            head = [
                row.game,
                row.group,
                row.protocol,
                min(frames),
                max(frames),
                _words(row.seeds),
                _words(row.episodes),
            ]
            mean = float(row.scores.mean()) if len(row.scores) else ""
            intervals = [*_csv_interval(row.scores), *_csv_interval(row.normalised)]
            writer.writerow([*head, mean, *intervals, row.note])


def markdown(rows: Sequence[Row], runs: Sequence[RunResult], figures: Sequence[str], notes: Sequence[str]) -> str:
    """Return the report as Markdown without its heading; `figures` are file names."""
    sections = [
        _scores(rows),
        _together(rows),
        _improvements(rows),
        _equal_frames(runs),
        "\n\n".join(f"![{name.removesuffix('.png')}]({name})" for name in figures),
        _published(runs),
        _protocols(runs),
        "## The runs\n\n" + _table(("game", "seed", "frames", "commit", "directory"), map(_run_cells, runs)),
        "\n".join(["## Notes\n", *(f"* {note}" for note in notes)]) if notes else "",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _scores(rows: Sequence[Row]) -> str:
    return (
        "## Scores\n\nWhole games by the last policy of each run, weights frozen, raw scores. A run's score is the "
        "mean of its games; mean and IQM are over runs, the interval is a stratified bootstrap over runs. One run has "
        "no interval, and that of three is only a hint.\n\n" + score_table(rows)
    )


def _together(rows: Sequence[Row]) -> str:
    groups = {key: games for key, games in pooled(rows).items() if len(games) > 1}
    if not groups:
        return ""
    cells = (
        [group, protocol, _words(games), *(_interval([*games.values()], function) for function in STATISTICS.values())]
        for (protocol, group), games in groups.items()
    )
    names = [f"{name} [95 %]" for name in STATISTICS]
    said = "Human-normalised: 0 is random play, 1 a human. Compare only rows of the same games and the same protocol."
    return f"## All games together\n\n{said}\n\n" + _table(("runs", "protocol", "games", *names), cells)


def _improvements(rows: Sequence[Row]) -> str:
    found = improvements(rows)
    if not found:
        return ""
    head = ("protocol", "A", "B", "games", "P(A > B) [95 %]")
    cells = (
        [one.protocol, one.ours, one.theirs, _words(one.games), _shown(one.interval, bare=one.single)] for one in found
    )
    return "## Probability of improvement\n\nThat a run of A beats one of B in a game.\n\n" + _table(head, cells)


def _equal_frames(runs: Sequence[RunResult]) -> str:
    found = at_equal_frames(runs)
    if not found:
        return ""
    agents = list(dict.fromkeys(agent for one in found for agent in one.published))
    cells = []
    for one in found:
        published = [_number(one.published.get(agent)) for agent in agents]
        ours = _shown(one.interval, bare=one.seeds == 1)
        rules = _rules(one.trained_under)
        cells.append([one.game, one.group, rules, _millions(one.frames), one.seeds, ours, *published])
    said = (
        "Training games, which explore: no evaluation scores. Ours: up to 30 last games of all lanes, mean over seeds, "
        f"at the frames that all seeds have reached. Published: {CURVES_ARE}, interpolated; rules differ where ours "
        "were trained under others."
    )
    head = ("game", "runs", "trained under", "frames", "trainings", "ours [95 %]", *agents)
    return f"## Training games at equal frames\n\n{said}\n\n" + _table(head, cells)


def _published(runs: Sequence[RunResult]) -> str:
    cells = [
        [game, one.system, one.protocol, _millions(one.frames), one.score, one.source]
        for game in dict.fromkeys(run.game for run in runs)
        for one in published_scores(game)
    ]
    if not cells:
        return ""
    said = "For orientation: after many more frames, each under its own protocol. ~ was quoted second-hand."
    head = ("game", "system", "protocol", "frames", "score", "source")
    return f"## Published scores\n\n{said}\n\n" + _table(head, cells)


def _protocols(runs: Sequence[RunResult]) -> str:
    rules = {key: judged.rules for run in runs for key, judged in run.judged.items()}
    lines = (f"* **{label}**: {_rules(rules[key])}" for key, label in protocol_labels(runs).items())
    return "\n".join(["## Protocols\n", *lines]) if rules else ""


def _score_cells(row: Row) -> list[Any]:
    reached = sorted(run.frames for run in row.runs)
    frames = " to ".join(dict.fromkeys(map(_millions, (reached[0], reached[-1]))))
    head = [row.game, row.group, row.protocol or "-", frames, _words(row.seeds)]
    if not row.protocol:
        return [*head, "-", "-", "-", row.note]
    normalised = "-" if row.normalised is None else _interval([row.normalised], bootstrap.iqm)
    return [*head, _number(float(row.scores.mean())), _interval([row.scores], bootstrap.iqm), normalised, row.note]


def _run_cells(run: RunResult) -> list[Any]:
    return [run.game, run.seed, f"{run.frames:,}", run.commit, run.path]


def _csv_interval(scores: NDArray[np.float64] | None) -> list[Any]:
    if scores is None or not len(scores):
        return ["", "", ""]
    found = stratified_bootstrap(bootstrap.iqm, [scores])
    return [float(found.estimate), *((float(found.low), float(found.high)) if len(scores) > 1 else ("", ""))]


def _interval(tasks: list[NDArray[np.float64]], statistic: Any) -> str:
    return _shown(stratified_bootstrap(statistic, tasks), bare=all(len(task) == 1 for task in tasks))


def _shown(interval: Interval, *, bare: bool = False) -> str:
    estimate, low, high = (_number(float(value)) for value in interval)
    return estimate if bare else f"{estimate} [{low}, {high}]"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.2f}"


def _millions(frames: float | None) -> str:
    return "-" if frames is None else f"{frames / 1e6:.2f}M" if frames < 1e8 else f"{frames / 1e6:,.0f}M"


def _rules(rules: dict[str, Any]) -> str:
    return ", ".join(f"{rule} {value}" for rule, value in rules.items() if rule != "name") or "the environment's own"


def _words(values: Iterable[Any]) -> str:
    return " ".join(map(str, values))


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [[*head], *([str(cell).replace("|", "/") for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    padded = (" | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) for line in lines)
    return "\n".join(f"| {line} |" for line in padded)

"""How benchmarks detect a finished training and other options for its folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.trainings import begun_with, judged, summary_of


@pytest.mark.parametrize(
    ("summary", "ended"),
    [(None, False), ({"agent_steps": 5}, False), ({"eval": None}, False), ({"eval": {"mean": 0.0}}, True)],
)
def test_what_was_interrupted_has_not_ended(tmp_path: Path, summary: dict[str, object] | None, ended: bool) -> None:
    """A training counts as ended once its summary has an evaluation; an interrupted training's summary has none."""
    if summary is not None:
        (tmp_path / "summary.json").write_text(json.dumps(summary))
    assert judged(tmp_path) is ended
    if ended:
        assert summary_of(tmp_path) == summary
    else:
        with pytest.raises(SystemExit, match="was interrupted: give the same command once more"):
            summary_of(tmp_path)


def test_other_options_want_another_folder(tmp_path: Path) -> None:
    """A folder is refused for options that differ from the recorded ones; new options are recorded."""
    begun_with(tmp_path, {"minutes": 10.0, "teacher": Path("runs/a")})
    begun_with(tmp_path, {"minutes": 10.0, "words": ["--serial"]})
    begun_with(tmp_path, {"minutes": 10.0, "teacher": Path("runs/a"), "words": ["--serial"]})
    for other in ({"minutes": 20.0}, {"words": []}, {"teacher": Path("runs/b")}):
        with pytest.raises(SystemExit, match=f"was begun with other {next(iter(other))}: name another --out"):
            begun_with(tmp_path, {"minutes": 10.0, **other})

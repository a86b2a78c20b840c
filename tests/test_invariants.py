"""Where each mechanism lives, so that it is written once; and which files are full."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from tests.test_architecture import FORBIDDEN, ROOT, files_of, name_of

PRODUCT = files_of(*FORBIDDEN)
# Files over 200 lines, with what keeps them in one piece. A new one is split before it is full.
FULL = {
    "agents/replay/shard.py": "every frame once: how rows enter, are drawn, weighed and saved",
    "cluster/fleet/checkpoint.py": "what RLlib asks of a checkpoint, each in a few lines",
}
LONG = 200


def holders(pattern: str, *allowed: str) -> list[str]:
    """Product files that have the pattern and are not among those that may."""
    found = [name_of(path) for path in PRODUCT if re.search(pattern, path.read_text())]
    return [name for name in found if name not in allowed]


def test_files_are_made_whole_in_one_place() -> None:
    """Nobody else renames what was half-written."""
    one = "training/storage/files.py"
    assert holders(r"os\.replace\(", one) == []
    names_to_leave_behind = "cluster/jobs/package.py"
    places = (one, "training/storage/checkpoint.py", "training/storage/run_dir.py", names_to_leave_behind)
    assert holders(r"\.part\b", *places) == []


def test_one_loop_plays() -> None:
    """Rollouts, evaluations, videos and data sets act through the two files of `agents/acting` that call a policy."""
    emulator = "envs/two_player_atari.py"  # which has a method of that name
    loops = ("agents/acting/episodes.py", "agents/acting/rollout.py", "agents/tabular/run.py")
    assert holders(r"\.act\(", *loops, emulator) == []


def test_the_fleet_names_no_algorithm() -> None:
    """It asks the settings for their parts; their class, what updates leave behind and the run stand in signatures."""
    words = r"from agents\.dqn\.(?!settings|stats|updates|run|presets)|from agents\.(networks|tabular)\b"
    words += r"|from agents\.pqn\.(?!settings|experience|run)"
    assert [name for name in holders(words) if name.startswith("cluster/fleet/")] == []


def test_texts_of_settings_are_listed_once() -> None:
    """A setting that is one of a few texts is a `Literal`, and `check_kinds` refuses all others."""
    assert holders(r'self\.\w+ not in (get_args\(|\(")') == []


def test_events_are_written_in_one_place() -> None:
    assert holders(r"SummaryWriter\(", "training/tensorboard.py") == []


def test_no_algorithm_is_named_where_anything_is_trained() -> None:
    """The session, the sweep and the commands that serve every preset know the table alone."""
    words = r"from (agents|gan)\.|import (agents|gan)\b"
    driven = ["training/", *(f"cluster/tuning/{name}" for name in ("trial", "sweep", "space", "write"))]
    driven += ["cluster/cli/train", "cluster/cli/sweep", "cluster/workloads"]
    assert [name for name in holders(words) if name.startswith(tuple(driven))] == []


def test_no_folder_tells_its_files_apart_by_a_prefix() -> None:
    """Three files that begin alike are a folder."""
    prefixes = Counter((path.parent, path.stem.split("_")[0]) for path in PRODUCT if "_" in path.stem.strip("_"))
    assert [f"{name_of(folder)}/{prefix}_" for (folder, prefix), count in prefixes.items() if count > 2] == []


def test_full_files_are_known() -> None:
    long = {name_of(path) for path in PRODUCT if len(path.read_text().splitlines()) > LONG}
    assert long == FULL.keys()


def test_every_command_in_the_documents_exists() -> None:
    """Also in the changelog's newest part: old words stand there with the new ones."""
    from cluster.cli.commands import COMMANDS

    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    lines = [line for page in pages for line in page.read_text().splitlines()]
    said = {match for line in lines for match in re.findall(r"^quarterdeck ([a-z-]+)|`quarterdeck ([a-z-]+)", line)}
    assert {word for pair in said for word in pair if word} <= COMMANDS.keys()


def test_the_readers_see_what_they_should() -> None:
    assert holders(r"^def holders") == []
    assert name_of(Path(__file__)) == "tests/test_invariants.py"
    assert "training/storage/files.py" in holders(r"os\.replace\(")

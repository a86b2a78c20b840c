"""Each mechanism is written in one place, and files over 200 lines are listed."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from tests.test_architecture import FORBIDDEN, ROOT, files_of, name_of

PRODUCT = files_of(*FORBIDDEN)
# Files over 200 lines, with the reason for their length. A new one is split before it is full.
FULL = {
    "agents/replay/shard.py": "every frame once: how rows enter, are drawn, weighed and saved",
    "cluster/fleet/checkpoint.py": "what RLlib asks of a checkpoint, each in a few lines",
}
LONG = 200


def holders(pattern: str, *allowed: str) -> list[str]:
    """Return the product files that have the pattern, except the allowed ones."""
    found = [name_of(path) for path in PRODUCT if re.search(pattern, path.read_text())]
    return [name for name in found if name not in allowed]


def test_files_are_made_whole_in_one_place() -> None:
    """Only one file calls os.replace, and only a few handle `.part` files."""
    one = "training/storage/files.py"
    assert holders(r"os\.replace\(", one) == []
    names_to_leave_behind = "cluster/jobs/package.py"
    places = (one, "training/storage/checkpoint.py", "training/storage/run_dir.py", names_to_leave_behind)
    assert holders(r"\.part\b", *places) == []


def test_one_loop_plays() -> None:
    """Only two files of `agents/acting` and the tabular run call a policy's `act`."""
    emulator = "envs/two_player_atari.py"  # it has a method of that name
    loops = ("agents/acting/episodes.py", "agents/acting/rollout.py", "agents/tabular/run.py")
    assert holders(r"\.act\(", *loops, emulator) == []


def test_the_fleet_names_no_algorithm() -> None:
    """The fleet imports no network and no algorithm, but little of agents.dqn and agents.pqn."""
    words = r"from agents\.dqn\.(?!settings|run|presets)|from agents\.pqn\.(?!settings|experience|run)"
    words += r"|from agents\.(networks|tabular|sac|decoupled|recurrent|selfplay|imitation)\b"
    assert [name for name in holders(words) if name.startswith("cluster/fleet/")] == []


def test_texts_of_settings_are_listed_once() -> None:
    """A setting that is one of a few texts is a `Literal`, which `check_kinds` checks; no class lists them again."""
    assert holders(r'self\.\w+ not in (get_args\(|\(")') == []


def test_events_are_written_in_one_place() -> None:
    assert holders(r"SummaryWriter\(", "training/tensorboard.py") == []


def test_no_algorithm_is_named_where_anything_is_trained() -> None:
    """The session, the sweep and the commands that serve every preset use the table of workloads alone."""
    words = r"from (agents|gan)\.|import (agents|gan)\b"
    driven = ["training/", *(f"cluster/tuning/{name}" for name in ("trial", "sweep", "space", "write"))]
    driven += ["cluster/cli/train", "cluster/cli/sweep", "cluster/workloads"]
    assert [name for name in holders(words) if name.startswith(tuple(driven))] == []


def test_no_folder_tells_its_files_apart_by_a_prefix() -> None:
    """Three files with the same prefix belong in a folder of their own."""
    prefixes = Counter((path.parent, path.stem.split("_")[0]) for path in PRODUCT if "_" in path.stem.strip("_"))
    assert [f"{name_of(folder)}/{prefix}_" for (folder, prefix), count in prefixes.items() if count > 2] == []


def test_full_files_are_known() -> None:
    long = {name_of(path) for path in PRODUCT if len(path.read_text().splitlines()) > LONG}
    assert long == FULL.keys()


def test_every_command_in_the_documents_exists() -> None:
    """Commands in README.md and docs/ are among those of the command line."""
    from cluster.cli.commands import COMMANDS

    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    lines = [line for page in pages for line in page.read_text().splitlines()]
    said = {match for line in lines for match in re.findall(r"^quarterdeck ([a-z-]+)|`quarterdeck ([a-z-]+)", line)}
    assert {word for pair in said for word in pair if word} <= COMMANDS.keys()


def test_the_readers_see_what_they_should() -> None:
    assert holders(r"^def holders") == []
    assert name_of(Path(__file__)) == "tests/test_invariants.py"
    assert "training/storage/files.py" in holders(r"os\.replace\(")

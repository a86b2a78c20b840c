"""Every command explains itself by example, its examples work, and bad input is one line."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import tyro

from cluster.cli.commands import COMMANDS, PRESETS
from cluster.cli.main import main, usage
from cluster.cli.submit import describe
from cluster.cli.train import run_dir_of
from cluster.workloads import workload_of
from tests.cluster.helpers import run_command
from tests.cluster.records import refused

EXAMPLES = {name: command.examples.splitlines() for name, command in COMMANDS.items()}
ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
WRITTEN = [line for file in DOCUMENTS for line in file.read_text().splitlines() if line.startswith("quarterdeck ")]
SHOWN = [
    line
    for line in (text.removeprefix("examples:").strip() for text in usage().splitlines())
    if line.startswith("quarterdeck ")
]


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command prints as its help; its exit status is 0."""
    capsys.readouterr()
    status: Any = 0
    try:
        status = main([*arguments])
    except SystemExit as stopped:
        status = stopped.code
    assert not status
    said = capsys.readouterr()
    assert said.err == ""
    return said.out


@pytest.mark.parametrize("command", COMMANDS)
def test_help_explains_by_example(
    command: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a preset and after it, with -h and --help; nothing is written."""
    monkeypatch.chdir(tmp_path)
    asked = [(command, "--help"), (command, "-h")]
    if presets := COMMANDS[command].presets:
        asked.append((command, presets[0], "--help"))
        assert f"presets: {', '.join(presets)}" in shown(capsys, command, "--help")
        assert "settings" not in shown(capsys, command, "--help").split("examples:")[0]
    for arguments in asked:
        said = shown(capsys, *arguments)
        assert f"usage: quarterdeck {command}" in said
        assert f"examples:\n  quarterdeck {command}" in said
        assert all(line in said for line in EXAMPLES[command])
    assert list(tmp_path.iterdir()) == []


def test_a_real_shell_gets_help() -> None:
    done = run_command("report", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "quarterdeck report runs/*" in done.stdout
    assert "--out" in done.stdout


def test_what_a_driver_tells_its_runners_is_no_option(capsys: pytest.CaptureFixture[str]) -> None:
    said = shown(capsys, "train", "toy-duel", "--help")
    assert "--league.size" in said
    assert "--league.folder" not in said


class Parsed(Exception):
    """Stops a command once it has understood its arguments."""


@pytest.mark.parametrize("line", sorted({*(line for lines in EXAMPLES.values() for line in lines), *SHOWN, *WRITTEN}))
@pytest.mark.usefixtures("strangers")
def test_every_example_is_understood(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An option that was renamed, a preset that is gone: help and documents would mislead."""
    read = tyro.cli

    def stop_after(*args: Any, **options: Any) -> Any:
        raise Parsed(read(*args, **options))

    monkeypatch.setattr("cluster.cli.arguments.tyro.cli", stop_after)
    program, *words = shlex.split(line, comments=True)
    assert program == "quarterdeck"
    with pytest.raises(Parsed):
        main(words)
    if "--" in words:
        place = words.index("--")
        storage = Path("/shared") if "--storage" in words else None
        name, _, _ = describe(words[place + 1 :], storage)
        assert name
        with pytest.raises(Parsed):
            main(words[place + 1 :])


def test_shown_directories_are_those_that_trainings_make() -> None:
    """Who copies a page's lines from top to bottom finds the run that the first of them has trained."""
    read = [line for line in WRITTEN if line.split()[1] in ("evaluate", "export", "play", "record", "sample", "watch")]
    shown = {name for line in read for name in re.findall(r"\bruns/[\w-]+-s0\b", line)}
    assert len(shown) >= 5
    made = {str(run_dir_of(work, name, work.default(name))) for name in PRESETS if (work := workload_of(name))}
    assert shown - made == set()


def test_every_command_has_examples_and_stands_in_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert all(
        lines and all(line.startswith(f"quarterdeck {command}") for line in lines)
        for command, lines in EXAMPLES.items()
    )
    assert len(SHOWN) >= 4
    assert len(WRITTEN) >= 20
    said = shown(capsys)
    assert said == shown(capsys, "--help") == shown(capsys, "-h")
    assert all(f"\n  {command} " in said for command in COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        ("--verbose", "unknown command '--verbose': use one of train"),
        ("evaluate run --episodes many", "many"),
        ("evaluate run --protocol atari", "classic"),
        ("evaluate run --epsiode 3", "--epsiode"),
        ("watch run", "out"),
        ("watch --out a.mp4", "run-dir"),
        ("report run --output there", "--output"),
        ("train digits --images many", "many"),
        ("sweep digits --trials many", "many"),
        ("sample run", "out"),
        ("submit", "no command: quarterdeck submit [options] -- COMMAND"),
        ("submit train pong", "train"),
        ("submit --entrypoint-num-cpus many -- train pong --run-dir /shared/a", "many"),
        ("submit -- fly", "unknown command 'fly'"),
        ("jobs --adress http://127.0.0.1:8265", "--adress"),
        ("jobs pong-s0", "pong-s0"),
        ("logs", "job"),
        ("stop", "job"),
    ],
)
def test_what_cannot_be_understood_is_one_line(
    arguments: str, remedy: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert remedy in refused(capsys, *arguments.split())
    assert list(tmp_path.iterdir()) == []


def test_a_job_server_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (name for name, row in COMMANDS.items() if row.asks_cluster):
        words = {"submit": ["--", "sample", "/shared/a", "--out", "/shared/a.png"], "jobs": []}.get(command, ["job"])
        assert "127.0.0.1:1" in refused(capsys, command, "--address", "http://127.0.0.1:1", *words)

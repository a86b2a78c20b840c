"""The command line. Every error that a person can cause ends here: one line, exit status 2, nothing half-written."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys

from cluster.cli.commands import COMMANDS, GONE, Command, examples, preset_of
from cluster.workloads import WORKLOADS
from training.entry import load_entry
from training.errors import CannotGoOn

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read once, when torch loads: idle threads must not spin

HELP = ("-h", "--help")


def usage() -> str:
    """Help of all commands."""
    return "\n".join(
        [
            "usage: quarterdeck COMMAND ...",
            "",
            *(command.usage for command in COMMANDS.values()),
            "",
            *(f"presets of {row.name}: {', '.join(row.presets)}" for row in WORKLOADS.values()),
            "examples: quarterdeck train pong --minutes 15",
            "          quarterdeck train atari --env breakout --learner.double --run-dir runs/breakout",
            "          quarterdeck evaluate runs/breakout --episodes 30 --json",
            "          quarterdeck train digits --minutes 9",
            "'quarterdeck COMMAND --help' lists every setting with its default (after the preset, where there is one).",
        ]
    )


def without_preset(name: str, presets: tuple[str, ...]) -> str:
    """Help of a command that has other settings for every preset."""
    told = [f"usage: quarterdeck {name} PRESET [options]", "", f"presets: {', '.join(presets)}", examples(name)]
    return "\n".join([*told, f"'quarterdeck {name} {presets[0]} --help' lists every setting with its default"])


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    arguments = sys.argv[1:] if argv is None else argv
    with contextlib.suppress(OSError):  # a folder that was deleted holds none
        if os.getcwd() not in sys.path:
            sys.path.append(os.getcwd())  # a person's own environments and networks lie where they work
    try:
        if not arguments or arguments[0] in HELP:
            print(usage())
            return 0
        if arguments[0] in GONE:
            raise ValueError(f"{arguments[0]} is now: quarterdeck {GONE[arguments[0]]} {shlex.join(arguments[1:])}")
        if arguments[0] not in COMMANDS:
            raise ValueError(f"unknown command {arguments[0]!r}: use one of {', '.join(COMMANDS)}")
        return run(arguments[0], COMMANDS[arguments[0]], arguments[1:])
    except (ValueError, FloatingPointError, MemoryError, OSError, CannotGoOn) as error:
        print(f"quarterdeck: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("quarterdeck: interrupted", file=sys.stderr)
        return 130


def run(name: str, command: Command, arguments: list[str]) -> int:
    """Run a command. What it needs is imported once its arguments are known to be right, as far as a row tells."""
    if command.presets:
        if arguments[:1] and arguments[0] in HELP:
            print(without_preset(name, command.presets))
            return 0
        preset_of(arguments, name)
    if not command.options:
        return int(load_entry(command.run)(arguments))
    from cluster.cli.arguments import parse

    place = arguments.index("--") if name == "submit" and "--" in arguments else len(arguments)
    options = parse(load_entry(command.options), arguments[:place], name)
    return int(load_entry(command.run)(options, *arguments[place + 1 :]))


if __name__ == "__main__":
    sys.exit(main())

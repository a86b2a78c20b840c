"""Entry point of the command line. User errors end in one line and exit status 2."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys

from cluster.cli.commands import COMMANDS, GONE, Command, examples, preset_of
from cluster.workloads import WORKLOADS
from training.entry import load_entry
from training.errors import CannotGoOn

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is imported: idle threads must not spin

HELP = ("-h", "--help")


def usage() -> str:
    """Return the help of all commands."""
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
    """Return the help of a command whose settings depend on the preset."""
    told = [f"usage: quarterdeck {name} PRESET [options]", "", f"presets: {', '.join(presets)}", examples(name)]
    return "\n".join([*told, f"'quarterdeck {name} {presets[0]} --help' lists every setting with its default"])


def main(argv: list[str] | None = None) -> int:
    """Run a command; return the exit status."""
    arguments = sys.argv[1:] if argv is None else argv
    with contextlib.suppress(OSError):  # the working directory may have been deleted
        if os.getcwd() not in sys.path:
            sys.path.append(os.getcwd())  # for a user's environments and networks
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
    """Run a command; its modules are imported after the arguments are checked."""
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

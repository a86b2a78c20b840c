"""The command line. Every error that a person can cause ends here: one line, exit status 2, nothing half-written."""

from __future__ import annotations

import os
import sys

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read once, when torch loads: idle threads must not spin

USAGE = """usage: quarterdeck COMMAND ...

  train PRESET [--env ID] [--minutes M] [--steps N] [--seed S] [--run-dir DIR] [--serial] [--resume] [--dry-run]
  evaluate RUN_DIR [--episodes 100] [--protocol classic|machado] [--json]
  watch RUN_DIR --out FILE.mp4

presets: {presets}
examples: quarterdeck train pong --minutes 15
          quarterdeck train atari --env breakout --learner.double True --run-dir runs/breakout
          quarterdeck evaluate runs/breakout --episodes 30 --json
'quarterdeck COMMAND --help' lists every setting with its default (for train: after the preset)."""


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    arguments = sys.argv[1:] if argv is None else argv
    try:
        from cluster import commands  # takes seconds, during which a person may change their mind

        if not arguments or arguments[0] in ("-h", "--help"):
            print(USAGE.format(presets=", ".join(commands.PRESET_NAMES)))
            return 0
        if arguments[0] not in commands.COMMANDS:
            raise ValueError(f"unknown command {arguments[0]!r}: use one of {', '.join(commands.COMMANDS)}")
        return commands.COMMANDS[arguments[0]](arguments[1:])
    except (ValueError, FloatingPointError, MemoryError, OSError) as error:
        print(f"quarterdeck: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("quarterdeck: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())

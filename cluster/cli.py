"""The command line. Every error that a person can cause ends here: one line, exit status 2, nothing half-written."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from cluster.errors import FleetError
from cluster.examples import examples

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read once, when torch loads: idle threads must not spin

USAGE = """usage: quarterdeck COMMAND ...

  train PRESET [--env ID] [--minutes M] [--steps N] [--seed S] [--run-dir DIR] [--settings FILE.toml] [--serial]
        [--resume] [--dry-run]
  evaluate RUN_DIR [--episodes 100] [--protocol classic|machado] [--json]
  watch RUN_DIR --out FILE.mp4 [--values]              a game as a video
  play RUN_DIR                                         a game in the terminal
  board [RUNS] [--port P]                              TensorBoard, the overview in front
  export RUN_DIR --out DIR [--format torch|program|rlmodule|all]
  report RUN_DIR ... [--out DIR]                       scores, intervals and figures of many runs (docs/evaluation.md)

  sweep PRESET [--space FILE_OR_NAME] [--scheduler asha|pbt|random] [--search random|optuna] [--trials N] [--seeds K]
        [--steps N] [--run-dir DIR] [--resume]         many trainings: which settings are best (docs/sweeps.md)
  ablation [--env ID] [--seeds K] [--run-dir DIR]      the naive loop, and what each trick adds to it

  gan PRESET [--data KIND] [--minutes M] [--images N] [--seed S] [--run-dir DIR] [--resume] [--dry-run]
  gan-sweep PRESET [--scheduler pbt|asha|random] [--trials N] [--concurrent C] [--images N] [--run-dir DIR] [--resume]
  gan-sample RUN_DIR --out FILE.png [--walk FILE.gif] [--seed S]

  submit [--address URL] [--detach] -- COMMAND ...     run a command as a job of a cluster (docs/cluster.md)
  jobs [--address URL]                                 what runs and ran there
  logs JOB [--follow]
  stop JOB                                             returns when the job has saved

presets: {presets}
presets of gan and gan-sweep: {gan_presets}
examples: quarterdeck train pong --minutes 15
          quarterdeck train atari --env breakout --learner.double --run-dir runs/breakout
          quarterdeck evaluate runs/breakout --episodes 30 --json
          quarterdeck gan digits --minutes 9
'quarterdeck COMMAND --help' lists every setting with its default (after the preset, where there is one)."""


def without_preset(command: str, presets: tuple[str, ...]) -> str:
    """Help of a command that has other settings for every preset."""
    told = [f"usage: quarterdeck {command} PRESET [options]", "", f"presets: {', '.join(presets)}", examples(command)]
    return "\n".join([*told, f"'quarterdeck {command} {presets[0]} --help' lists every setting with its default"])


def command_table() -> dict[str, Callable[[list[str]], int]]:
    """Every command by its name. Importing them takes seconds, during which a person may change their mind."""
    from cluster import ablation, board, commands, export, gan_commands, gan_sweep, play, report, submission, sweep

    gan = {**gan_commands.GAN_COMMANDS, **gan_sweep.SWEEP_COMMANDS}
    shown = {**play.PLAY_COMMANDS, **board.BOARD_COMMANDS, **export.EXPORT_COMMANDS, **report.REPORT_COMMANDS}
    searches = {**sweep.SWEEP_COMMANDS, **ablation.ABLATION_COMMANDS}
    return {**commands.COMMANDS, **shown, **searches, **gan, **submission.JOB_COMMANDS}


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    arguments = sys.argv[1:] if argv is None else argv
    try:
        table = command_table()
        if not arguments or arguments[0] in ("-h", "--help"):
            from cluster.commands import PRESET_NAMES
            from gan.presets import PRESETS

            print(USAGE.format(presets=", ".join(PRESET_NAMES), gan_presets=", ".join(PRESETS)))
            return 0
        if arguments[0] not in table:
            raise ValueError(f"unknown command {arguments[0]!r}: use one of {', '.join(table)}")
        if arguments[1:2] in (["-h"], ["--help"]):  # before a preset, where there is one
            from cluster.submission import RUNS

            if arguments[0] in RUNS:
                print(without_preset(arguments[0], RUNS[arguments[0]][0]))
                return 0
        return table[arguments[0]](arguments[1:])
    except (ValueError, FloatingPointError, MemoryError, OSError, FleetError) as error:
        print(f"quarterdeck: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("quarterdeck: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())

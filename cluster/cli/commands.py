"""All commands, one row of data each. Imports nothing heavy."""

from __future__ import annotations

from typing import NamedTuple

from cluster.workloads import PRESETS


class Command(NamedTuple):
    """One command.

    `run` is "module:function" and returns the exit status. It takes the list of arguments; if `options` names a
    dataclass, an instance of it instead, and for `submit` also the words after "--".
    """

    run: str
    usage: str  # lines in the help of all commands
    examples: str  # lines that work as written, if such a run or job exists
    options: str = ""  # "module:class" of its arguments; empty if they depend on the preset
    presets: tuple[str, ...] = ()  # valid first arguments
    claims_run_dir: bool = False  # whether it writes a run directory
    asks_cluster: bool = False  # whether it talks to a cluster's job server and cannot be a job itself


COMMANDS: dict[str, Command] = {
    "train": Command(
        "cluster.cli.train:train",
        """\
  train PRESET [--env ID] [--minutes M] [--steps N] [--seed S] [--run-dir DIR] [--settings FILE.toml] [--serial]
        [--resume] [--dry-run]                         a GAN: [--data KIND] [--images N] (docs/gan.md)""",
        """\
quarterdeck train pong                                       # everything under runs/pong-s0
quarterdeck train atari --env breakout --seed 1 --minutes 600
quarterdeck train pong --learner.double --replay.n-step 3 --dry-run   # shows all, starts nothing
quarterdeck train pong --run-dir runs/pong-s0 --resume       # goes on after Ctrl-C or a crash
quarterdeck train digits --minutes 9                         # a GAN
quarterdeck train cloning --dataset data/pong-v0             # a student of recorded play
quarterdeck train frames --data game:runs/pong-s0 --seed 1   # what that run's policy sees""",
        presets=PRESETS,
        claims_run_dir=True,
    ),
    "evaluate": Command(
        "cluster.cli.evaluate:evaluate",
        "  evaluate RUN_DIR [--episodes 100] [--protocol classic|machado] [--epsilon E] [--json]",
        """\
quarterdeck evaluate runs/pong-s0                            # 100 games under the run's own protocol
quarterdeck evaluate runs/pong-s0 --protocol machado --episodes 30 --json""",
        options="cluster.cli.options:Evaluate",
    ),
    "watch": Command(
        "cluster.cli.watch:watch",
        "  watch RUN_DIR --out FILE.mp4 [--values]              a game as a video",
        "quarterdeck watch runs/pong-s0 --out pong.mp4 --values       # Q-values beside the screen",
        options="cluster.cli.options:Watch",
    ),
    "play": Command(
        "cluster.cli.watch:play",
        "  play RUN_DIR                                         a game in the terminal",
        "quarterdeck play runs/pong-s0                               # q or Ctrl-C ends it",
        options="cluster.cli.options:Play",
    ),
    "record": Command(
        "cluster.cli.record:record",
        """\
  record RUN_DIR --out FOLDER [--games N] [--labels N] [--epsilon E] [--replay]   play as data (docs/imitation.md)
  record --env ID --keyboard --out FOLDER              a person's own play""",
        """\
quarterdeck record runs/pong-s0 --out data/pong-v0 --labels 122222 --epsilon 0.05    # some chance in it
quarterdeck record runs/pong-s0 --out data/learning-v0 --replay      # what its replay still holds
quarterdeck record --env breakout --keyboard --out data/mine-v0      # your own games, in the terminal""",
        options="cluster.cli.options:Record",
    ),
    "board": Command(
        "cluster.cli.board:board",
        "  board [RUNS] [--port P]                              TensorBoard, the overview in front",
        """\
quarterdeck board                                            # all runs under runs/
quarterdeck board runs/pong-s0 --port 6007""",
        options="cluster.cli.options:Board",
    ),
    "export": Command(
        "cluster.cli.export:export",
        "  export RUN_DIR --out DIR [--format torch|program|rlmodule|all]",
        """\
quarterdeck export runs/pong-s0 --out pong                   # weights and settings, to use without Ray
quarterdeck export runs/pong-s0 --out pong --format all""",
        options="cluster.cli.options:Export",
    ),
    "report": Command(
        "cluster.cli.report:report",
        """\
  report RUN_DIR ... [--out DIR]                       scores, intervals and figures of many runs (docs/evaluation.md)
""",
        """\
quarterdeck report runs/pong-s0 runs/pong-s1 runs/pong-s2
quarterdeck report runs/* --out report                       # report/report.md, scores.csv, figures""",
        options="cluster.cli.options:Report",
    ),
    "sweep": Command(
        "cluster.cli.sweep:sweep",
        """\
  sweep PRESET [--space FILE_OR_NAME] [--scheduler asha|pbt|random] [--search random|optuna] [--trials N] [--seeds K]
        [--steps N] [--images N] [--run-dir DIR] [--resume]   which settings are best (docs/sweeps.md)""",
        """\
quarterdeck sweep catch --trials 8 --seeds 2                 # the space `learning`, by successive halving
quarterdeck sweep digits --scheduler pbt --trials 8 --seeds 1 --images 200000
quarterdeck sweep catch --resume --run-dir runs/sweep-catch-s0""",
        presets=PRESETS,
        claims_run_dir=True,
    ),
    "ablation": Command(
        "cluster.cli.ablation:ablation",
        """\
  ablation [--env ID] [--seeds K] [--run-dir DIR]      the naive loop, and what each trick adds to it
""",
        "quarterdeck ablation --seeds 5 --run-dir runs/why",
        options="cluster.tuning.ablation_settings:Ablation",
        claims_run_dir=True,
    ),
    "sample": Command(
        "cluster.cli.sample:sample",
        "  sample RUN_DIR --out FILE.png [--walk FILE.gif] [--seed S]   images by the best generator of a run or sweep",
        "quarterdeck sample runs/digits-s0 --out grid.png --walk walk.gif --seed 3",
        options="cluster.cli.options:Sample",
    ),
    "submit": Command(
        "cluster.cli.submit:submit",
        """\
  submit [--address URL] [--detach] -- COMMAND ...     run a command as a job of a cluster (docs/cluster.md)""",
        """\
quarterdeck submit -- train pong --run-dir /runs/pong-s0 --learner.device cpu        # on the head; follows the log
quarterdeck submit --detach --storage /runs -- train pong --learner.device cuda --fleet.learners 1   # on a GPU node""",
        options="cluster.cli.options:Submit",
        asks_cluster=True,
    ),
    "jobs": Command(
        "cluster.cli.jobs:jobs",
        "  jobs [--address URL]                                 what runs and ran there",
        """\
quarterdeck jobs
quarterdeck jobs --address http://127.0.0.1:8265""",
        options="cluster.cli.options:Address",
        asks_cluster=True,
    ),
    "logs": Command(
        "cluster.cli.jobs:logs",
        "  logs JOB [--follow]",
        "quarterdeck logs pong-s0-1a2b3c --follow                    # the ID that submit and jobs print",
        options="cluster.cli.options:Logs",
        asks_cluster=True,
    ),
    "stop": Command(
        "cluster.cli.jobs:stop",
        "  stop JOB                                             returns when the job has saved",
        "quarterdeck stop pong-s0-1a2b3c                             # returns when the job has saved",
        options="cluster.cli.options:Stop",
        asks_cluster=True,
    ),
}


def examples(command: str) -> str:
    """Return the examples of a command, the last lines of its help."""
    return "\n".join(["examples:", *(f"  {line}" for line in COMMANDS[command].examples.splitlines())])


def preset_of(arguments: list[str], command: str) -> tuple[str, list[str]]:
    """Split arguments into the preset, which comes first, and the others.

    Raises:
        ValueError: the preset is missing or unknown.
    """
    presets = COMMANDS[command].presets
    preset = arguments[0] if arguments and not arguments[0].startswith("-") else ""
    if preset not in presets and ":" not in preset:  # a user's preset is looked up later
        said = f"unknown preset {preset!r}" if preset else "no preset"
        raise ValueError(f"{said}: use one of {', '.join(presets)}")
    return preset, arguments[1:]


GONE = {"gan": "train", "gan-sweep": "sweep", "gan-sample": "sample"}  # commands of older versions

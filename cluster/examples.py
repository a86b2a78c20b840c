"""Examples that `--help` shows: lines that work as they stand, once there is such a run or job."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[str, ...]] = {
    "train": (
        "quarterdeck train pong                                       # everything under runs/pong-s0",
        "quarterdeck train atari --env breakout --seed 1 --minutes 600",
        "quarterdeck train pong --learner.double --replay.n-step 3 --dry-run   # shows all, starts nothing",
        "quarterdeck train pong --run-dir runs/pong-s0 --resume --steps 3000000     # goes on after Ctrl-C or a crash",
    ),
    "evaluate": (
        "quarterdeck evaluate runs/pong-s0                            # 100 games under the run's own protocol",
        "quarterdeck evaluate runs/pong-s0 --protocol machado --episodes 30 --json",
    ),
    "watch": ("quarterdeck watch runs/pong-s0 --out pong.mp4 --values       # Q-values beside the screen",),
    "play": ("quarterdeck play runs/pong-s0                               # q or Ctrl-C ends it",),
    "board": (
        "quarterdeck board                                            # all runs under runs/",
        "quarterdeck board runs/pong-s0 --port 6007",
    ),
    "export": (
        "quarterdeck export runs/pong-s0 --out pong                   # weights and settings, to use without Ray",
        "quarterdeck export runs/pong-s0 --out pong --format all",
    ),
    "report": (
        "quarterdeck report runs/pong-s0 runs/pong-s1 runs/pong-s2",
        "quarterdeck report runs/* --out report                       # report/report.md, scores.csv, figures",
    ),
    "sweep": (
        "quarterdeck sweep catch --trials 8 --seeds 2                 # the space `learning`, by successive halving",
        "quarterdeck sweep catch --resume --run-dir runs/sweep-catch-s0",
    ),
    "ablation": ("quarterdeck ablation --seeds 5 --run-dir runs/why",),
    "gan": (
        "quarterdeck gan digits --minutes 9",
        "quarterdeck gan digits --data game:runs/pong-s0 --seed 1     # what that run's policy sees",
        "quarterdeck gan digits --run-dir runs/gan-digits-s0 --resume --images 500000",
    ),
    "gan-sweep": (
        "quarterdeck gan-sweep digits --scheduler pbt --trials 8 --images 200000",
        "quarterdeck gan-sweep digits --resume --run-dir runs/gan-sweep-pbt-digits-s0",
    ),
    "gan-sample": ("quarterdeck gan-sample runs/gan-digits-s0 --out grid.png --walk walk.gif --seed 3",),
    "submit": (
        "quarterdeck submit -- train pong --run-dir /shared/pong      # follows the job's log",
        "quarterdeck submit --detach --storage /shared -- train atari --env breakout",
    ),
    "jobs": ("quarterdeck jobs", "quarterdeck jobs --address http://127.0.0.1:8265"),
    "logs": ("quarterdeck logs pong-s0-1a2b3c --follow                    # the ID that submit and jobs print",),
    "stop": ("quarterdeck stop pong-s0-1a2b3c                             # returns when the job has saved",),
}


def examples(command: str) -> str:
    """The examples of a command, as the last lines of its help."""
    return "\n".join(["examples:", *(f"  {line}" for line in EXAMPLES[command])])

"""`quarterdeck watch` and `play`: a game of a run's policy, as a video or in the terminal."""

from __future__ import annotations

import time
from pathlib import Path

from agents.acting.policy import Policy
from agents.playback.game import pace_of, played_steps, shown_env
from agents.playback.terminal import Terminal
from agents.playback.video import record
from agents.saved_policy import open_run
from agents.settings import AgentSettings
from cluster.cli.options import Play, Watch
from cluster.workloads import settings_of_run
from envs.colour import action_names


def watch(options: Watch) -> int:
    """Run `quarterdeck watch RUN_DIR --out FILE.mp4`."""
    policy, settings = _player(options.run_dir, "watch")
    score = record(policy, settings, options.out, values=options.values)
    print(f"a game of {score:.0f} points is in {options.out}")
    return 0


def play(options: Play) -> int:
    """Run `quarterdeck play RUN_DIR`."""
    policy, settings = _player(options.run_dir, "play")
    terminal = Terminal("use watch RUN_DIR --out FILE.mp4")
    env = shown_env(settings)
    env.reset(0)
    env.render()  # raises before the terminal is changed if the env cannot render
    names, pace, score = action_names(env), pace_of(env, settings), 0.0
    wait = 1.0 / pace.pictures
    try:
        with terminal:
            due = time.monotonic()
            for moment in played_steps(policy, settings, env, pace.every):
                score = moment.score
                about = f"max Q {moment.q.max():.2f}   {names[moment.action].lower()}   " if names else ""
                terminal.show(moment.picture, f"score {score:g}   {about}q: quit")
                due = max(due + wait, time.monotonic() - wait)  # do not catch up after a slow terminal
                if _quits(terminal, due):
                    break
    except KeyboardInterrupt:
        pass
    finally:
        env.close()
    print(f"{score:g} points")
    return 0


def _quits(terminal: Terminal, due: float) -> bool:
    """Process all keys until `due`; return whether q is among them."""
    while (key := terminal.key(due - time.monotonic())) is not None:
        if key == "q":
            return True
    return False


def _player(run_dir: Path, command: str) -> tuple[Policy, AgentSettings]:
    """Return the newest policy of a run, and the run's settings."""
    run = open_run(run_dir, settings_of_run, f"{command} shows the games of deep Q-networks")
    return run.policy(), run.settings

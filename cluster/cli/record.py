"""`quarterdeck record`: data sets of games of a policy or a person, or of a run's replay."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from agents.acting.episodes import play
from agents.acting.exploration import epsilon_greedy
from agents.evaluation.evaluate import envs_for
from agents.evaluation.protocol import protocol_env
from agents.imitation.from_replay import episodes_of, shards_of
from agents.imitation.keyboard import Keyboard
from agents.imitation.record import ENDLESS, LABELS_PER_ENV, MOST, Recorder
from agents.imitation.writer import DatasetWriter, new_dataset
from agents.playback.game import steps_per_second
from agents.playback.terminal import Terminal
from agents.saved_policy import open_run
from agents.selfplay.parts import trained_under
from cluster.cli.arguments import changed_options
from cluster.cli.options import Record
from cluster.workloads import settings_of_run
from envs import EnvSettings, make_env
from envs.atari import game_name
from envs.colour import make_shown
from envs.registry import read_spec, require_frames
from training.interrupt import Interrupt, as_ctrl_c
from training.progress import evaluation_bar

IDLE = {"keyboard": ("epsilon", "replay"), "replay": ("epsilon", "seed")}  # options without effect


@as_ctrl_c()  # any signal must remove an incomplete data set
def record(options: Record) -> int:
    """Run `quarterdeck record RUN_DIR --out FOLDER`, or with `--env ID --keyboard` instead of a run.

    Raises:
        ValueError: the player or the amount is missing or ambiguous, or an option has no effect.
    """
    if options.games < 0 or options.labels < 0 or not 0 <= options.epsilon <= 1:
        raise ValueError("--games and --labels must be 0 or more, --epsilon a probability in 0..1")
    if options.keyboard == bool(options.run_dir) or options.keyboard != bool(options.env):
        raise ValueError("whose play is to be recorded? name a RUN_DIR, or give --env ID --keyboard")
    _require_meant(options)
    if options.run_dir is None:
        _record_person(options)
    elif options.replay:
        _record_replay(options, options.run_dir)
    else:
        _record_policy(options, options.run_dir)
    return 0


def _require_meant(options: Record) -> None:
    defaults = Record(out=options.out)
    for way in (way for way in IDLE if getattr(options, way)):
        if idle := changed_options(vars(options), vars(defaults), IDLE[way]):
            raise ValueError(f"--{way} records without {' and '.join(idle)}: leave that out")


def _record_policy(options: Record, run_dir: Path) -> None:
    """Record whole games of a run's newest policy under the rules of its evaluation."""
    if not (options.games or options.labels):
        raise ValueError("how much is to be recorded? give --games N or --labels N")
    run = open_run(run_dir, settings_of_run, "record plays with deep Q-networks")
    policy, rules = run.policy(), signalled(protocol_env(run.settings))
    envs = envs_for(options.games, MOST) if options.games else min(max(options.labels // LABELS_PER_ENV, 1), MOST)
    explore = epsilon_greedy(np.full(envs, options.epsilon), np.random.default_rng(options.seed))
    env = make_env(rules, envs)
    about = {"player": f"{run.record['preset']} at epsilon {options.epsilon:g}", "checkpoint": str(run.path)}
    about_env: dict[str, Any] = {**about, "protocol": dict(env.protocol)}
    with contextlib.closing(env), new_dataset(options.out, rules, env.spec, about_env) as writer:
        recorder = Recorder(writer, envs, **limits(options))
        with evaluation_bar("recording") as show:
            recorder.record(play(env, policy, explore, training_seed(options.seed)), show)
    print_summary(writer, recorder.scores, options.out)


def _record_person(options: Record) -> None:
    """Record games of a person until q, Ctrl-C or the limits; a second Ctrl-C discards them."""
    rules = signalled(EnvSettings(id=options.env))
    terminal, env = Terminal("start it in one"), make_shown(rules)
    about = {"player": "a person", "protocol": dict(env.protocol)}
    with contextlib.closing(env):
        require_frames(options.env, env.spec)
        env.reset(0)
        env.render()  # raises before the terminal is changed if the env cannot render
        with new_dataset(options.out, rules, env.spec, about) as writer:
            recorder = Recorder(writer, 1, **limits(options))
            with terminal, Interrupt() as interrupt:
                pace = 1.0 / steps_per_second(env, rules.frame_skip)
                person = Keyboard(env, terminal, recorder.line, pace, lambda: interrupt.raised)
                played = play(env, person, None, training_seed(options.seed))
                recorder.record(played, stop=lambda: person.ended)
    print_summary(writer, recorder.scores, options.out)


def _record_replay(options: Record, run_dir: Path) -> None:
    """Record the episodes in the replay of a run's newest checkpoint."""
    run = open_run(run_dir, settings_of_run, "record reads the replay of deep Q-networks")
    shards, most, scores = shards_of(run.path), limits(options), list[float]()
    spec = read_spec(run.settings.env)
    about = {"player": f"{run.record['preset']} while it learned", "checkpoint": str(run.path)}
    about_env: dict[str, Any] = {**about, "protocol": trained_under(run.settings)}
    with new_dataset(options.out, run.settings.env, spec, about_env) as writer:
        for episode in chain.from_iterable(episodes_of(shard, spec.frame_shape) for shard in shards):
            if writer.episodes == most["games"] or writer.labels == most["labels"]:
                break
            kept = episode.cut(most["labels"] - writer.labels)
            writer.add(kept)
            if kept.terminated[-1]:
                scores.append(float(kept.reward.sum()))
    print_summary(writer, scores, options.out)


def signalled(env: EnvSettings) -> EnvSettings:
    """Return the rules with lost lives reported, in games that have lives; this does not change the game."""
    return replace(env, life_signal=game_name(env.id) is not None)


def training_seed(seed: int) -> int:
    """Return the first env's seed, from the range of training, disjoint from evaluation."""
    return int(np.random.SeedSequence(seed).generate_state(1)[0] >> 3)


def limits(options: Record) -> dict[str, int]:
    """Return the limits of a recording, with 0 as no limit."""
    return {"games": options.games or ENDLESS, "labels": options.labels or ENDLESS}


def print_summary(writer: DatasetWriter, scores: list[float], out: Path) -> None:
    """Print a summary line of the recording."""
    whole = f"{len(scores)} whole games with a mean score of {np.mean(scores):.2f}" if scores else "no whole game"
    print(f"{writer.labels:,} labels in {writer.episodes:,} episodes, {whole}, are in {out}")

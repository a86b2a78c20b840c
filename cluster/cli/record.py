"""record: play as a data set, by a run's policy, by a person, or what a run's replay still holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from agents.acting.episodes import play
from agents.acting.exploration import epsilon_greedy
from agents.evaluation.evaluate import envs_for
from agents.evaluation.protocol import protocol_env
from agents.imitation.record import ENDLESS, LABELS_PER_ENV, MOST, Recorder
from agents.imitation.writer import DatasetWriter, new_dataset
from agents.parts import parts_of
from agents.saved_policy import network_settings, read_policy, record_of
from cluster.cli.options import Record
from cluster.workloads import settings_of_run
from envs import EnvSettings, make_env
from envs.atari import game_name
from training.progress import evaluation_bar
from training.storage.run_dir import RunDir


def record(options: Record) -> int:
    """`quarterdeck record RUN_DIR --out FOLDER`."""
    _record_policy(options, options.run_dir)
    return 0


def _record_policy(options: Record, run_dir: Path) -> None:
    """Whole games of a run's newest policy under the rules of its evaluation."""
    if not options.games and not options.labels:
        raise ValueError("how much is to be recorded? give --games N or --labels N")
    directory = RunDir(run_dir)
    recorded = record_of(directory)
    settings = network_settings(recorded, settings_of_run, "record plays with deep Q-networks")
    path, state = read_policy(directory, recorded)
    policy, rules = parts_of(settings).policy_of(state, settings), signalled(protocol_env(settings))
    envs = envs_for(options.games, MOST) if options.games else min(max(options.labels // LABELS_PER_ENV, 1), MOST)
    env = make_env(rules, envs)
    about = {"player": f"{recorded['preset']} at epsilon {options.epsilon:g}", "checkpoint": str(path)}
    seed = int(np.random.SeedSequence(options.seed).generate_state(1)[0] >> 3)  # one of training's, as in a rollout
    explore = epsilon_greedy(np.full(envs, options.epsilon), np.random.default_rng(options.seed))
    try:
        about_env: dict[str, Any] = {**about, "protocol": dict(env.protocol)}
        with new_dataset(options.out, rules, env.spec, about_env) as writer, evaluation_bar("recording") as show:
            recorder = Recorder(writer, envs, **limits(options))
            recorder.record(play(env, policy, explore, seed), show)
    finally:
        env.close()
    print(said(writer, recorder.scores, options.out))


def signalled(env: EnvSettings) -> EnvSettings:
    """The rules with lost lives reported, in games that have lives: they change no game, and are worth knowing."""
    return replace(env, life_signal=game_name(env.id) is not None)


def limits(options: Record) -> dict[str, int]:
    """Games and labels at which a recording ends; 0 is no limit."""
    return {"games": options.games or ENDLESS, "labels": options.labels or ENDLESS}


def said(writer: DatasetWriter, scores: list[float], out: Path) -> str:
    """What was recorded, in a line."""
    whole = f"{len(scores)} whole games with a mean score of {np.mean(scores):.2f}" if scores else "no whole game"
    return f"{writer.labels:,} labels in {writer.episodes:,} episodes, {whole}, are in {out}"

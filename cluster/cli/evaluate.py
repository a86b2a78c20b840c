"""evaluate: whole games by the newest checkpoint of a run."""

from __future__ import annotations

import dataclasses
import json

from agents.dqn.settings import Settings
from agents.dqn.stats import counters
from agents.evaluation.evaluate import evaluate_network, policy_of, told
from agents.evaluation.protocol import protocol_name
from agents.saved_policy import read_policy, record_of
from agents.tabular.run import TABULAR_PRESETS, evaluate_table
from cluster.cli.options import Evaluate
from cluster.display import Display
from training.files import write_json
from training.run_dir import RunDir
from training.settings import from_dict


def evaluate(options: Evaluate) -> int:
    """`quarterdeck evaluate RUN_DIR ...`."""
    directory = RunDir(options.run_dir)
    recorded = record_of(directory)
    if recorded["preset"] in TABULAR_PRESETS:
        result = evaluate_table(directory, options.episodes)
    else:
        settings: Settings = from_dict(Settings, recorded["settings"])
        protocol = options.protocol or settings.evaluation.protocol
        judged = dataclasses.replace(settings.evaluation, protocol=protocol, episodes=options.episodes)
        settings = dataclasses.replace(settings, evaluation=judged)
        path, state = read_policy(directory, recorded)
        with Display.evaluation(options.episodes) as on_step:
            scores = evaluate_network(
                policy_of(state, settings),
                settings,
                episodes=options.episodes,
                threads=2,
                on_step=on_step,
            )
        result = {**scores.summary(), **counters(path), "checkpoint": str(path)}
    write_json(directory.path / f"evaluation-{protocol_name(result['protocol'])}.json", result)
    print(json.dumps(result) if options.json else told(result))
    return 0

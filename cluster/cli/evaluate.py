"""evaluate: the newest checkpoint of a run is judged again, by whole games or by images that were held out."""

from __future__ import annotations

import json

from agents.saved_policy import record_of
from cluster.cli.options import Evaluate
from cluster.workloads import workload_of_run
from training.progress import evaluation_bar
from training.storage.files import write_json
from training.storage.run_dir import RunDir


def evaluate(options: Evaluate) -> int:
    """`quarterdeck evaluate RUN_DIR ...`."""
    directory = RunDir(options.run_dir)
    record = record_of(directory)
    with evaluation_bar() as on_step:
        result, name, said = workload_of_run(record).load("evaluate")(directory, record, options, on_step)
    write_json(directory.path / f"evaluation-{name}.json", result)
    print(json.dumps(result) if options.json else said)
    return 0

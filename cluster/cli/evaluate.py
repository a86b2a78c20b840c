"""`quarterdeck evaluate`: evaluation of a run's newest checkpoint, by whole games or held-out images."""

from __future__ import annotations

import json

from agents.saved_policy import record_of
from cluster.cli.arguments import changed_options
from cluster.cli.options import Evaluate
from cluster.workloads import Workload, workload_of_run
from training.progress import evaluation_bar
from training.storage.files import write_json
from training.storage.run_dir import RunDir


def require_meant(options: Evaluate, work: Workload) -> None:
    """Check that all given options apply to this kind of run.

    Raises:
        ValueError: one does not.
    """
    defaults = Evaluate(run_dir=options.run_dir)
    names = (name for name in ("episodes", "protocol", "epsilon") if name not in work.judged_by)
    if idle := changed_options(vars(options), vars(defaults), names):
        raise ValueError(
            f"{options.run_dir} is judged without {' and '.join(idle)}, a run of {work.name}: leave that out"
        )


def evaluate(options: Evaluate) -> int:
    """Run `quarterdeck evaluate RUN_DIR ...`."""
    directory = RunDir(options.run_dir)
    record = record_of(directory)
    work = workload_of_run(record)
    require_meant(options, work)
    with evaluation_bar() as on_step:
        result, name, said = work.load("evaluate")(directory, record, options, on_step)
    print(json.dumps(result) if options.json else said)  # before writing, which may fail
    write_json(directory.path / f"evaluation-{name}.json", result)
    return 0

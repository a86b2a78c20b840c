"""A subprocess that resumes runs saved by another process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE
from typing import Any

from tests.cluster.helpers import environment

GOES_ON = """
import json, sys
from pathlib import Path
from cluster.workloads import WORKLOADS
from training.settings import from_dict
for line in sys.stdin:
    name, preset, settings, path, folder, turns = json.loads(line)
    work = WORKLOADS[name]
    run = work.new_run(preset, from_dict(work.load("settings"), settings), Path(folder), serial=True)
    run.load(Path(path))
    for _ in range(turns):
        run.step(run.clock.end)
    run.save(Path(folder))
    run.close()
    assert "ray" not in sys.modules
    print("saved", flush=True)
"""


@contextmanager
def other_process(errors: Path) -> Iterator[Callable[[list[Any]], None]]:
    """Yield a function that resumes and saves a run: (workload, preset, settings, checkpoint, folder, turns)."""
    words, root = [sys.executable, "-c", GOES_ON], Path(__file__).parents[2]
    with (
        errors.open("w") as said,
        subprocess.Popen(words, stdin=PIPE, stdout=PIPE, stderr=said, text=True, env=environment(), cwd=root) as other,
    ):
        assert other.stdin is not None
        assert other.stdout is not None
        question, answer = other.stdin, other.stdout

        def go_on(given: list[Any]) -> None:
            question.write(f"{json.dumps(given)}\n")
            question.flush()
            assert answer.readline() == "saved\n", errors.read_text()

        yield go_on
        question.close()
        assert other.wait() == 0, errors.read_text()

"""`quarterdeck ablation`: the naive deep Q-learning loop of the lecture, with its tricks added one at a time."""

from __future__ import annotations

import json
import time
from contextlib import closing

from agents.dqn.check import check
from cluster.connect import ray_for
from cluster.tuning.ablation import train_all
from cluster.tuning.ablation_figure import Bar, bar_lines, bars_of, draw_bars
from cluster.tuning.ablation_settings import STAGES, Ablation, stages
from training.settings import to_dict
from training.storage.files import write_json
from training.storage.provenance import origin, process_seconds
from training.storage.run_dir import RunDir, default_run_dir


def ablation(options: Ablation) -> int:
    """Run `quarterdeck ablation ...`."""
    started = time.monotonic() - process_seconds()
    settings = options.settings
    check(settings)
    if options.dry_run:
        print(json.dumps({stage: to_dict(s) for stage, s in stages(settings).items()}, indent=2))
        return 0
    directory = RunDir(options.run_dir or default_run_dir("ablation", settings.env.id, settings.seed))
    record = {
        "made_by": "ablation",
        "workload": "dqn",
        "preset": "lecture",
        "serial": True,
        "settings": to_dict(settings),
    }
    with closing(directory):
        directory.create({**record, "seeds": options.seeds, **origin()})
        _ablate(options, directory, started)
    return 0


def _ablate(options: Ablation, directory: RunDir, started: float) -> None:
    settings = options.settings
    with ray_for(1):
        rows = train_all(settings, options.seeds, directory)
    bars = bars_of(rows, STAGES)
    figure = directory.path / "ablation.png"
    draw_bars(figure, bars, f"{settings.env.id}, {settings.stop.steps:,} agent steps, {options.seeds} seeds a bar")
    _write(directory, bars, options, time.monotonic() - started)
    print("\n".join(bar_lines(bars)))
    print(f"the figure is {figure}")


def _write(directory: RunDir, bars: list[Bar], options: Ablation, seconds: float) -> None:
    found = [{"stage": b.stage, "mean": b.mean, "interval": b.interval, "verdict": b.verdict} for b in bars]
    write_json(directory.summary, {"stages": found, "seeds": options.seeds, "seconds": seconds, **origin()})

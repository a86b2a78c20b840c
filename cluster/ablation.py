"""ablation: the lecture's naive deep Q-learning loop, and what each trick adds to it, one at a time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import ray
import torch
import tyro

from agents.config import Settings, changed, to_dict
from agents.evaluation import evaluate_network
from agents.memory import keep_freed_memory
from agents.newest import Newest
from agents.presets import catch
from agents.replay import ReplayShard
from agents.serial import SerialRun
from cluster.ablation_figure import Bar, bars_of, draw_bars, told
from cluster.arguments import parse
from cluster.commands import check
from cluster.fleet import start_ray
from cluster.ledger import append_row
from cluster.rundir import RunDir, default_run_dir, write_json
from training.provenance import origin, process_seconds

NAIVE = "naive loop"
REPLAY = "experience replay"
# What each trick replaces, in the order in which the lecture adds them.
WITHOUT: dict[str, dict[str, Any]] = {
    REPLAY: {},  # the newest transitions instead of random ones: `agents.newest`
    "target network": {"learner.target_period": 1},
    "error clipping": {"learner.loss": "squared"},
    "reward clipping": {"learner.reward_clip": 0.0},
    "epsilon schedule": {"exploration.anneal_steps": 1},  # at its end from the first step
}
STAGES = (NAIVE, *(f"+ {trick}" for trick in WITHOUT))
COLUMNS = ("stage", "seed", "score", "agent_steps", "updates", "seconds")
RETRIES = 3  # of a training whose node died


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """Train the naive loop, then add experience replay, target network, error clipping, reward clipping and the epsilon
    schedule one at a time, and draw what each of them is worth.
    """

    settings: Annotated[Settings, tyro.conf.arg(name="")]
    seeds: int = 5
    """Trainings of every stage: --seed and those that follow it."""
    run_dir: Path | None = None
    """Where figure and tables go; default under runs/."""
    dry_run: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print the settings of every stage; start nothing."""

    def __post_init__(self) -> None:
        if self.seeds < 2:
            raise ValueError(f"--seeds is {self.seeds}: an interval needs 2 or more, and 5 say something")
        fleet = self.settings.fleet
        if fleet.runners > 1 or fleet.shards or fleet.learners or self.settings.replay.prioritized:
            raise ValueError("an ablation trains in one process without priorities: leave those settings alone")


def lecture() -> Settings:
    """The pixel toy that counts in hundreds, with all tricks: one game at a time, an update after every eighth step."""
    return changed(
        catch(),
        {
            "world.env": "toy/catch100",
            "stop.steps": 16_000,
            "exploration.ladder": 0.0,
            "fleet.envs_per_runner": 1,
            "fleet.chunk_steps": 8,
            "learner.max_grad_norm": 1e9,  # a trick that the lecture does not know
        },
    )


def stages(settings: Settings) -> dict[str, Settings]:
    """The settings of every stage, from the naive loop to all tricks."""
    tricks = list(WITHOUT)
    return {
        stage: changed(settings, {k: v for trick in tricks[count:] for k, v in WITHOUT[trick].items()})
        for count, stage in enumerate(STAGES)
    }


def trained(stage: str, settings: Settings) -> dict[str, Any]:
    """Train one stage with one seed -> its row: the score of whole greedy games, counters, seconds."""
    torch.set_num_threads(1)
    keep_freed_memory()
    started = time.monotonic()
    run = SerialRun(settings, Newest if stage == NAIVE else ReplayShard)
    while run.stats.agent_steps < settings.stop.steps:
        run.step()
    score = evaluate_network(run.actor(), settings, episodes=settings.evaluation.episodes, threads=1).scores.mean()
    run.close()
    counted = {"agent_steps": run.stats.agent_steps, "updates": run.stats.updates}
    return {
        "stage": stage,
        "seed": settings.seed,
        "score": float(score),
        **counted,
        "seconds": time.monotonic() - started,
    }


def ablation(arguments: list[str]) -> int:
    """`quarterdeck ablation ...`."""
    started = time.monotonic() - process_seconds()
    options = parse(Ablation, arguments, "ablation", Ablation(settings=lecture()))
    settings = options.settings
    check(settings, print_all=False)
    if options.dry_run:
        print(json.dumps({stage: to_dict(s) for stage, s in stages(settings).items()}, indent=2))
        return 0
    directory = RunDir(options.run_dir or default_run_dir("ablation", settings.world.env, settings.seed))
    record = {"workload": "ablation", "preset": "lecture", "serial": True, "settings": to_dict(settings)}
    with closing(directory):
        directory.create({**record, "seeds": options.seeds, **origin()})
        _ablate(options, directory, started)
    return 0


def _ablate(options: Ablation, directory: RunDir, started: float) -> None:
    settings = options.settings
    ours = start_ray(1)
    try:
        rows = _train_all(options, directory)
    finally:
        if ours:
            ray.shutdown()
    bars = bars_of(rows, STAGES)
    figure = directory.path / "ablation.png"
    draw_bars(figure, bars, f"{settings.world.env}, {settings.stop.steps:,} agent steps, {options.seeds} seeds a bar")
    _write(directory, bars, options, time.monotonic() - started)
    print("\n".join(told(bars)))
    print(f"the figure is {figure}")


def _train_all(options: Ablation, directory: RunDir) -> list[dict[str, Any]]:
    """All stages with all seeds, as tasks of the cluster: one core each. A dead node's are done again elsewhere."""
    task = ray.remote(num_cpus=1, max_retries=RETRIES)(trained)
    seeds = range(options.settings.seed, options.settings.seed + options.seeds)
    jobs = [(stage, replace(s, seed=seed)) for seed in seeds for stage, s in stages(options.settings).items()]
    left = [task.remote(*job) for job in jobs]
    rows: list[dict[str, Any]] = []
    while left:
        ready, left = ray.wait(left)
        row = ray.get(ready[0])
        append_row(directory.path / "ablation.csv", COLUMNS, row)
        rows.append(row)
        print(f"{len(rows)}/{len(jobs)} {row['stage']}, seed {row['seed']}: {row['score']:.2f}", flush=True)
    return rows


def _write(directory: RunDir, bars: list[Bar], options: Ablation, seconds: float) -> None:
    found = [{"stage": b.stage, "mean": b.mean, "interval": b.interval, "verdict": b.verdict} for b in bars]
    write_json(directory.summary, {"stages": found, "seeds": options.seeds, "seconds": seconds, **origin()})


ABLATION_COMMANDS: dict[str, Callable[[list[str]], int]] = {"ablation": ablation}

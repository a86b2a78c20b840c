"""Every preset as it stands but for its size: trained in one process, saved, gone on with; and sent off as a job."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from cluster.cli.submit import describe
from cluster.workloads import PRESETS, workload_of
from tests.cluster.sources import source_of
from tests.cluster.tiny import TINY
from tests.games_for_two import needs_two
from training.run import Run
from training.settings import changed

MARKS = {"pong-duel": needs_two}
TURNS = 200  # more than any preset needs until it has learned something
FITS = {  # what is small by these pictures of 8x8 pixels and these few lanes
    "apex": {"fleet.envs_per_runner": 1},  # of 8 runners
    "attention": {"network.block_halvings": 1},
}
FEW = {"fleet.envs_per_runner": 2, "learner.num_envs": 2}  # a console takes a third of a second to switch on


SEEN = [preset for preset in PRESETS if preset != "upscale-frames"]  # which wants clips: test_upscale_learning.py


@pytest.mark.parametrize("preset", [pytest.param(preset, marks=MARKS.get(preset, ())) for preset in SEEN])
def test_it_learns_is_saved_and_goes_on(preset: str, corners: Path, tmp_path: Path) -> None:
    """Its own env, networks, exploration, losses; batches and replay of a moment, and small pictures for a GAN."""
    work = workload_of(preset)
    small = {name: value for name, value in TINY[work.name][1].items() if name != "env.id"}
    small |= {name: value for name, value in FEW.items() if name in small}
    source = source_of(work.name, corners, tmp_path)
    settings = work.adapted(preset, changed(work.default(preset), {**small, **source, **FITS.get(preset, {})}))

    def make(folder: str) -> Run:
        return work.new_run(preset, settings, tmp_path / folder, serial=True)

    run = make("run")
    for _ in range(TURNS):
        run.step(run.clock.end)
        if run.summary().get("updates", 1) > 0:
            break
    assert run.summary().get("updates", 1) > 0
    found = [value for record in run.records() for value in record.scalars.values()]
    assert found
    assert all(math.isfinite(value) for value in found)
    saved, before = run.save(tmp_path / "saved"), run.clock.now
    run.close()
    again = make("again")
    again.load(saved)
    assert again.clock.now == before > 0
    again.step(again.clock.end)
    assert again.clock.now > before
    again.close()


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("command", ["train", "sweep"])
def test_it_can_be_a_job(command: str, preset: str) -> None:
    """What it is called, where it writes, and what Ray runs."""
    name, words, about = describe([command, preset, "--seed=7"], Path("/shared"))
    assert words == [command, preset, "--seed=7", "--run-dir", about["run_dir"]]
    assert (about["preset"], about["seed"], Path(about["run_dir"]).parent) == (preset, "7", Path("/shared"))
    assert preset in name

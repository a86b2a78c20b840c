"""A GAN as a trial, in this process: cloned, reset, diverged."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from cluster.tuning.gan_results import trials_of
from cluster.tuning.gan_search import bounds_of, losses_for, scheduler_of, space_of
from cluster.tuning.gan_trial import PENALTY, GanTrial, Plan, searched
from gan.data.images import Images, Part, load
from gan.evaluation.features import extractor_for
from gan.evaluation.scores import Judge
from gan.standard.presets import PRESETS
from gan.standard.settings import GanSettings
from tests.cluster.gan_helpers import TINY
from tests.cluster.helpers import same_tree
from training.csv_table import rounds_of
from training.settings import changed

CONFIG = {"training.generator_rate": 1e-3, "training.discriminator_rate": 2e-3, "loss.weight": 2.0, "loss": "hinge/r1"}
OTHER = {
    "training.generator_rate": 3e-4,
    "training.discriminator_rate": 5e-4,
    "loss.weight": 7.0,
    "loss": "relativistic/r1r2",
}
Make = Callable[..., GanTrial]


def read_only(part: Part) -> None:
    """As it comes out of a node's object store."""
    part.images.setflags(write=False)
    assert part.labels is not None
    part.labels.setflags(write=False)


@pytest.fixture(scope="module")
def shared(corners: Path) -> tuple[GanSettings, Images, Judge]:
    settings = changed(PRESETS["own"](), {**TINY, "data.source": str(corners), "training.images": 300})
    data = load(settings.data)
    judge = Judge(data, extractor_for(data, corners.parent / ".gan-cache"), settings.scores, "select")
    for part in (data.train, data.select, data.report):
        read_only(part)
    return settings, data, judge


@pytest.fixture
def make(shared: tuple[GanSettings, Images, Judge], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Trials outside of Tune."""
    settings, data = shared[0], shared[1:]
    monkeypatch.setattr("ray.tune.trainable.trainable.DEFAULT_STORAGE_PATH", str(tmp_path / "logs"))

    def trial(config: dict[str, Any], *, stop_diverged: bool = False) -> GanTrial:
        places = {"pictures": tmp_path / "pictures", "tensorboard": tmp_path / "tensorboard"}
        plan = Plan(settings=settings, rounds=3, stop_diverged=stop_diverged, **places)

        class Lone(GanTrial):
            def setup(self, config: dict[str, Any]) -> None:
                super().setup(config, plan, data)

        return Lone(config)

    return trial


def saved(trial: GanTrial, folder: Path) -> str:
    """A checkpoint where Tune would have it."""
    folder.mkdir()
    trial.save_checkpoint(str(folder))
    return str(folder)


def rates(trial: GanTrial) -> tuple[float, float]:
    """What the optimisers really use."""
    generator, discriminator = (trial.run.trainer.optimizers[name] for name in ("generator", "discriminator"))
    return generator.param_groups[0]["lr"], discriminator.param_groups[0]["lr"]


@pytest.mark.parametrize("reused", [True, False])
def test_a_clone_trains_at_its_own_rates(make: Make, tmp_path: Path, reused: bool) -> None:
    """Tune gives a trial its new settings, then the donor's checkpoint, in a process of its own or a reused one."""
    donor = make(CONFIG)
    result = donor.train()
    assert rates(donor) == (1e-3, 2e-3)
    clone = make(CONFIG if reused else OTHER)
    if reused:
        clone.train()
        assert clone.reset(dict(OTHER))
    clone.restore(saved(donor, tmp_path / "donor"))
    same_tree(clone.run.state(), donor.run.state())
    clone._iteration = donor.iteration  # Tune takes it from the checkpoint's result
    after = clone.train()
    assert rates(clone) == (3e-4, 5e-4)
    assert (after["generator_rate"], after["discriminator_rate"]) == (3e-4, 5e-4)
    assert (after["loss"], after["weight"]) == ("relativistic/r1r2", 7.0)
    assert (clone.run.trainer.settings.loss.kind, clone.run.trainer.settings.loss.penalty) == ("relativistic", "r1r2")
    assert (result["images"], after["images"]) == (104, 200)
    assert after["timesteps_total"] == 200


def test_a_trial_goes_on_bit_for_bit(make: Make, tmp_path: Path) -> None:
    whole, first = make(CONFIG), make(CONFIG)
    for _ in range(2):
        whole.train()
    first.train()
    second = make(CONFIG)
    second.restore(saved(first, tmp_path / "first"))
    second._iteration = 1
    second.train()
    same_tree(second.run.state(), whole.run.state())


def test_a_reused_process_begins_anew(make: Make) -> None:
    """A place that another trial has left must leave nothing of it behind."""
    used, fresh = make(CONFIG), make(OTHER)
    used.train()
    assert used.reset(dict(OTHER))
    same_tree(used.run.state(), fresh.run.state())
    same_tree({"fd": used.train()["fd_clf"]}, {"fd": fresh.train()["fd_clf"]})


@pytest.mark.parametrize("stop_diverged", [True, False])
def test_a_diverged_trial_reports_a_finite_penalty(make: Make, tmp_path: Path, stop_diverged: bool) -> None:
    """It stops where nobody replaces it; else it is the worst of the population, and its clone of a donor trains."""
    sick = make({**CONFIG, "training.generator_rate": 1e30}, stop_diverged=stop_diverged)
    for _ in range(2):
        result = sick.train()
        assert (result["fd_clf"], result["diverged"], result["done"]) == (PENALTY, 1, stop_diverged)
        assert all(np.isfinite(value) for value in result.values() if isinstance(value, float))
    sick.load_checkpoint(saved(sick, tmp_path / "sick"))
    assert sick.train()["diverged"] == 1
    donor = make(CONFIG)
    donor.train()
    assert sick.reset(dict(CONFIG))
    sick.load_checkpoint(saved(donor, tmp_path / "donor"))
    result = sick.train()
    assert result["diverged"] == 0
    assert result["fd_clf"] < PENALTY


def test_results_hold_no_arrays(make: Make, tmp_path: Path) -> None:
    """Pictures are files and TensorBoard's; a result is a short line of JSON."""
    trial = make(CONFIG)
    result = trial.train()
    ours = {name: value for name, value in result.items() if name != "config"}
    assert all(isinstance(value, int | float | str | bool) for value in ours.values())
    assert len(json.dumps(result)) < 3_000
    trial.cleanup()
    assert [file.suffix for file in (tmp_path / "pictures").iterdir()] == [".png"]
    assert len(list((tmp_path / "tensorboard").rglob("events*"))) == 1


@examples(max_examples=60)
@given(preset=st.sampled_from(sorted(PRESETS)), seed=st.integers(0, 2**31), steps=st.integers(1, 30))
def test_mutations_stay_in_bounds_and_legal(preset: str, seed: int, steps: int) -> None:
    """Whatever is drawn and however often it is mutated: within bounds, and settings that a trainer takes."""
    base = PRESETS[preset]()
    population: Any = scheduler_of("pbt", base, Path("rounds.csv"), rounds=1, concurrent=1)
    random.seed(seed)
    np.random.seed(seed)
    config = {name: domain.sample() for name, domain in space_of(base).items()}
    for _ in range(steps):
        config, _ = population._get_new_config(None, SimpleNamespace(config=config))
        for name, (low, high) in bounds_of(base).items():
            assert low <= config[name] <= high
        assert config["loss"] in losses_for(base)
        searched(base, config)


def test_every_preset_can_be_searched() -> None:
    assert losses_for(PRESETS["dcgan"]()) == ["hinge/none", "nonsaturating/none", "least_squares/none"]
    assert "loss.weight" not in bounds_of(PRESETS["dcgan"]())
    assert len(losses_for(PRESETS["digits"]())) == 7
    low, high = bounds_of(PRESETS["digits"]())["training.generator_rate"]
    assert (low * 10, high / 10) == pytest.approx((PRESETS["digits"]().training.generator_rate,) * 2)


def test_a_round_trained_twice_counts_once(tmp_path: Path) -> None:
    """After a crash a trial repeats the round that was lost; images and budget know it once."""
    table = tmp_path / "rounds.csv"
    assert rounds_of(table) == []
    rows = ["a,1,50,9.5,0", "b,1,50,7.5,0", "a,2,100,6.5,0", "a,2,100,5.5,0", "b,2,50,1000000.0,1"]
    table.write_text("trial,round,images,fd_clf,diverged\n" + "\n".join(rows) + "\n")
    rounds = rounds_of(table)
    assert len(rounds) == 4
    first, second = trials_of(rounds, 50.0)
    assert (first["trial"], first["rounds"], first["images"], first["best_fd_clf"]) == ("a", 2, 100, 5.5)
    assert (second["trial"], second["diverged"], second["images"], second["best_fd_clf"]) == ("b", 1, 50, 7.5)

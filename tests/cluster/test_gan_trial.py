"""A GAN as a trial, in this process: cloned, reset, diverged."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cluster.tuning.results import trials_of
from cluster.tuning.trial import SweepTrial
from cluster.tuning.trial_spec import TrialSpec
from gan.data.images import Images, Split, load
from gan.evaluation.features import extractor_for
from gan.evaluation.scores import Judge
from gan.run import GanRun
from gan.space import LOSS, SEARCH, losses_for, spaces
from gan.standard.presets import PRESETS
from gan.standard.settings import GanSettings
from tests.cluster.gan_helpers import TINY
from tests.cluster.helpers import same_tree
from training.settings import changed
from training.storage import checkpoint
from training.storage.csv_table import rounds_of

METRIC = SEARCH.metric
CONFIG = {"training.generator_rate": 1e-3, "training.discriminator_rate": 2e-3, "loss.weight": 2.0, LOSS: "hinge/r1"}
OTHER = {
    "training.generator_rate": 3e-4,
    "training.discriminator_rate": 5e-4,
    "loss.weight": 7.0,
    LOSS: "relativistic/r1r2",
}
Make = Callable[..., SweepTrial]


def read_only(part: Split) -> None:
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

    def trial(config: dict[str, Any], *, stop_diverged: bool = False) -> SweepTrial:
        spec = TrialSpec(
            preset="own",
            settings=settings,
            seeds=(0,),
            rounds=3,
            serial=True,
            stop_diverged=stop_diverged,
            pictures=tmp_path / "pictures",
        )

        class Lone(SweepTrial):
            def setup(self, config: dict[str, Any]) -> None:
                super().setup(config, spec, data)

        return Lone(config)

    return trial


def saved(trial: SweepTrial, folder: Path) -> str:
    """A checkpoint where Tune would have it."""
    folder.mkdir()
    trial.save_checkpoint(str(folder))
    return str(folder)


def state_of(trial: SweepTrial) -> dict[str, Any]:
    """What the trial's run has saved, but for the wall clock."""
    state = checkpoint.load(checkpoint.latest(trial._seed(0)))
    return {name: state[name] for name in ("trainer", "best")}


def rates(run: GanRun) -> tuple[float, float]:
    """What the optimisers really use."""
    generator, discriminator = (run.trainer.optimizers[name] for name in ("generator", "discriminator"))
    return generator.param_groups[0]["lr"], discriminator.param_groups[0]["lr"]


@pytest.mark.parametrize("reused", [True, False])
def test_a_clone_trains_at_its_own_rates(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reused: bool
) -> None:
    """Tune gives a trial its new settings, then the donor's checkpoint, in a process of its own or a reused one."""
    runs: list[GanRun] = []
    monkeypatch.setattr(GanRun, "close", lambda run: runs.append(run))
    donor = make(CONFIG)
    result = donor.train()
    assert rates(runs[-1]) == (1e-3, 2e-3)
    clone = make(CONFIG if reused else OTHER)
    if reused:
        clone.train()
        assert clone.reset(dict(OTHER))
    clone.restore(saved(donor, tmp_path / "donor"))
    same_tree(state_of(clone), state_of(donor))
    clone._iteration = donor.iteration  # Tune takes it from the checkpoint's result
    after = clone.train()
    assert rates(runs[-1]) == (3e-4, 5e-4)
    assert after["settings"] == OTHER
    loss = runs[-1].trainer.settings.loss
    assert (loss.kind, loss.penalty, loss.weight) == ("relativistic", "r1r2", 7.0)
    assert (result["now"], after["now"]) == (104, 200)
    assert after["timesteps_total"] == 200
    assert result["kept"] == result["fd_clf"]
    assert after["kept"] == min(result["fd_clf"], after["fd_clf"]), "its donor's generator, if that was better"


def test_a_trial_goes_on_bit_for_bit(make: Make, tmp_path: Path) -> None:
    whole, first = make(CONFIG), make(CONFIG)
    for _ in range(2):
        whole.train()
    first.train()
    second = make(CONFIG)
    second.restore(saved(first, tmp_path / "first"))
    second._iteration = 1
    second.train()
    same_tree(state_of(second), state_of(whole))


def test_a_reused_process_begins_anew(make: Make) -> None:
    """A place that another trial has left must leave nothing of it behind."""
    used, fresh = make(CONFIG), make(OTHER)
    used.train()
    assert used.reset(dict(OTHER))
    used._iteration = 0
    same_tree({"fd": used.train()["fd_clf"]}, {"fd": fresh.train()["fd_clf"]})
    same_tree(state_of(used), state_of(fresh))


def test_a_trial_with_a_seed_that_never_came_to_a_score_keeps_none(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    sick = make({**CONFIG, "training.generator_rate": 1e30})
    sick.spec = replace(sick.spec, seeds=(0, 1))
    monkeypatch.setattr(sick, "_kept", lambda seed: [3.0, METRIC.worst][seed])
    assert sick.train()["kept"] == METRIC.worst


@pytest.mark.parametrize("stop_diverged", [True, False])
def test_a_diverged_trial_reports_a_finite_penalty(make: Make, tmp_path: Path, stop_diverged: bool) -> None:
    """It stops where nobody replaces it; else it is the worst of the population, and its clone of a donor trains."""
    sick = make({**CONFIG, "training.generator_rate": 1e30}, stop_diverged=stop_diverged)
    for _ in range(2):
        result = sick.train()
        assert (result["fd_clf"], result["diverged"], result["done"]) == (METRIC.worst, 1, stop_diverged)
        assert all(np.isfinite(value) for value in result.values() if isinstance(value, float))
    sick.load_checkpoint(saved(sick, tmp_path / "sick"))
    assert sick.train()["diverged"] == 1
    donor = make(CONFIG)
    found = donor.train()
    sick.load_checkpoint(saved(donor, tmp_path / "donor"))
    result = sick.train()
    assert (result["fd_clf"], result["kept"]) == (METRIC.worst, found["fd_clf"]), "it still has its donor's generator"
    assert sick.reset(dict(CONFIG))
    sick.load_checkpoint(str(tmp_path / "donor"))
    result = sick.train()
    assert result["diverged"] == 0
    assert result["fd_clf"] < METRIC.worst


def test_results_hold_no_arrays(make: Make, tmp_path: Path) -> None:
    """Pictures are files, which the driver shows; a result is a short line of JSON."""
    trial = make(CONFIG)
    result = trial.train()
    assert len(json.dumps(result)) < 4_000
    assert [file.name for file in (tmp_path / "pictures").iterdir()] == [f"{trial.trial_id}-{104:012d}.png"]
    trial.cleanup()


def test_every_preset_can_be_searched() -> None:
    assert losses_for(PRESETS["dcgan"]()) == ["hinge/none", "nonsaturating/none", "least_squares/none"]
    assert "loss.weight" not in spaces(PRESETS["dcgan"]())["learning"]
    assert len(losses_for(PRESETS["digits"]())) == 7
    low, high = spaces(PRESETS["digits"]())["learning"]["training.generator_rate"]["log"]
    assert (low * 10, high / 10) == pytest.approx((PRESETS["digits"]().training.generator_rate,) * 2)


def test_a_round_trained_twice_counts_once(tmp_path: Path) -> None:
    """After a crash a trial repeats the round that was lost; images and budget know it once."""
    table = tmp_path / "rounds.csv"
    assert rounds_of(table) == []
    rows = ["a,1,50,9.5,0", "b,1,50,7.5,0", "a,2,100,6.5,0", "a,2,100,5.5,0", "b,2,50,1000000.0,1"]
    table.write_text("trial,round,images,fd_clf,diverged\n" + "\n".join(rows) + "\n")
    rounds = rounds_of(table)
    assert len(rounds) == 4
    first, second = trials_of(rounds, METRIC)
    assert (first["trial"], first["rounds"], first["images"], first["best"]) == ("a", 2, "100", 5.5)
    assert (second["trial"], second["rounds"], second["diverged"], second["best"]) == ("b", 2, 1, 7.5)


def test_a_trial_counts_by_what_it_has_kept(tmp_path: Path) -> None:
    """Its generator of before it cloned another is gone. The table of an older version does not tell that."""
    rows = ["a,1,50,3.5,0,3.5", "b,1,50,4.5,0,4.5", "a,2,100,6.5,0,5.5", "b,2,100,7.5,0,4.5"]
    for head, counts in ((",kept", [("b", 4.5), ("a", 5.5)]), ("", [("a", 3.5), ("b", 4.5)])):
        (tmp_path / "rounds.csv").write_text("\n".join([f"trial,round,images,fd_clf,diverged{head}", *rows, ""]))
        assert [(row["trial"], row["best"]) for row in trials_of(rounds_of(tmp_path / "rounds.csv"), METRIC)] == counts

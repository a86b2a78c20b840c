"""What a sweep may search of a GAN: settings that only fit each other in some mixes."""

from __future__ import annotations

import random
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from cluster.tuning.space import by_setting, read_space
from cluster.tuning.sweep import scheduler_of
from cluster.workloads import workload_of
from tests.cluster.test_sweep_space import written
from training.settings import changed


def test_settings_that_fit_only_in_some_mixes_are_chosen_together(tmp_path: Path) -> None:
    """One line of a space, one value of a trial, each setting by its own name in the end."""
    gan = workload_of("digits")
    text = '"loss.kind+loss.penalty" = {choice = ["hinge/r1", "relativistic/r1r2"]}'
    space = read_space(written(tmp_path, text), gan.default("digits"), gan.load("search"), gan.ends)
    (name,) = space
    drawn = {space[name].domain().sample() for _ in range(50)}
    assert drawn == {"hinge/r1", "relativistic/r1r2"}
    assert by_setting({name: "hinge/r1", "loss.weight": 2.0}) == {
        "loss.kind": "hinge",
        "loss.penalty": "r1",
        "loss.weight": 2.0,
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('"loss.kind+loss.penalty" = {choice = ["hinge"]}', "chosen together"),
        ('"loss.kind+loss.penalty" = {log = [1, 2]}', "chosen together"),
        ('"loss.kind+loss.size" = {choice = ["hinge/r1"]}', "no setting is called 'loss.size'"),
        ('"loss.kind+loss.penalty" = {choice = ["wasserstein/none"]}', "bounded slope"),
        ('"growth.fade_images" = {choice = [100, 300_000]}', "fade_images 300000: training.images is 600000"),
        ('"data.stack" = {integer = [1, 3]}', "cannot be searched"),
        ('"training.images" = {integer = [1, 3]}', "cannot be searched"),
    ],
)
def test_an_impossible_space_of_a_gan_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    preset = "progressive" if "growth" in text else "digits"
    gan = workload_of(preset)
    with pytest.raises(ValueError, match=re.escape(said)):
        read_space(written(tmp_path, text), gan.default(preset), gan.load("search"), gan.ends)


@examples(max_examples=60, deadline=None)
@given(preset=st.sampled_from(workload_of("digits").presets), seed=st.integers(0, 2**31), rounds=st.integers(1, 30))
def test_mutations_of_a_gan_stay_legal(preset: str, seed: int, rounds: int) -> None:
    """Whatever is drawn and however often it is mutated: in range, and settings that a trainer takes."""
    work = workload_of(preset)
    base, search = work.default(preset), work.load("search")
    space = read_space("learning", base, search, work.ends)
    population: Any = scheduler_of("pbt", space, Path("rounds.csv"), rounds=1, concurrent=1)
    random.seed(seed)
    np.random.seed(seed)
    config = {name: r.domain().sample() for name, r in space.items()}
    for _ in range(rounds):
        config, _ = population._get_new_config(None, SimpleNamespace(config=config))
        for name, r in space.items():
            assert config[name] in r.values if r.kind == "choice" else r.values[0] <= config[name] <= r.values[1]
        changed(base, by_setting(config))

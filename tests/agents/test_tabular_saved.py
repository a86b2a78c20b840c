"""Saved tables: bit-exact resuming, and checkpoints of older versions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agents.tabular.evaluate import read_table
from agents.tabular.learner import TabularLearner
from agents.tabular.run import TabularRun
from agents.tabular.settings import Algorithm, TabularSettings
from tests.agents.test_tabular import ALGORITHMS, CHAIN
from training.storage import checkpoint


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_table_goes_on_bit_for_bit(algorithm: Algorithm, tmp_path: Path) -> None:
    """A run loaded from a checkpoint ends with the same tables, records and summary as the run that saved it."""
    settings = TabularSettings(env="FrozenLake-v1", algorithm=algorithm, steps=1_500, report_every=250)
    run = TabularRun(settings, settings, tmp_path)
    for _ in range(2):
        run.step(settings.steps)
    path = run.save(tmp_path)
    other = TabularRun(settings, settings, tmp_path)
    other.load(path)
    run.records()
    for one in (run, other):
        while one.clock.now < one.clock.end:
            one.step(settings.steps)
    np.testing.assert_array_equal(run.learner.tables, other.learner.tables)
    np.testing.assert_array_equal(run.learner.visits, other.learner.visits)
    assert run.records() == other.records()
    assert run.summary() == other.summary()


def test_a_checkpoint_of_one_table_goes_on(tmp_path: Path) -> None:
    """A checkpoint of an older version, with only q [S, A] and its visits, is loaded as one table."""
    learner = TabularLearner(TabularSettings(), np.array([[1.0, 2.0]]))
    state = {**learner.state(), "visits": np.array([[3, 4]])}
    del state["tables"]
    learner.load_state(state)
    np.testing.assert_array_equal(learner.tables, [[[1.0, 2.0]]], strict=True)
    np.testing.assert_array_equal(learner.visits, [[[3, 4]]], strict=True)


def test_what_holds_no_table_is_refused(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "agent_steps-999999999999", {"weights": np.zeros(3)})
    with pytest.raises(checkpoint.CheckpointError, match="holds no table"):
        read_table(checkpoint.latest(tmp_path))
    with pytest.raises(checkpoint.CheckpointError, match="holds no table to train on with"):
        TabularRun(CHAIN, CHAIN, tmp_path).load(checkpoint.latest(tmp_path))

"""The replay settings that an algorithm's parts pass to its learner."""

from __future__ import annotations

import pytest

from agents.dqn.settings import Settings
from agents.parts import parts_of
from envs.base import EnvSpec
from tests.agents.test_decoupled import tiny
from tests.agents.test_recurrent import small
from tests.agents.test_sac import SPEC
from tests.small_run import small_settings
from tests.specs import spec_of
from training.settings import changed

LEARNERS: dict[str, tuple[Settings, EnvSpec]] = {
    "dqn": (small_settings("CartPole-v1"), spec_of((4,), 2)),
    "recurrent": (small(), spec_of((4,), 4)),
    "decoupled": (tiny("Pendulum-v1"), SPEC),
}


@pytest.mark.parametrize("kind", LEARNERS)
def test_a_learner_weighs_its_batches_as_replay_is_set(kind: str) -> None:
    """A learner's importance-sampling exponent follows replay's schedule: 0.65 half-way from 0.3 to 1."""
    settings, spec = LEARNERS[kind]
    settings = changed(settings, {"replay.beta": 0.3, "replay.beta_updates": 50})
    learner = parts_of(settings).make_learner(settings, spec)
    assert learner.beta(25) == settings.replay.beta_at(25) == pytest.approx(0.65)

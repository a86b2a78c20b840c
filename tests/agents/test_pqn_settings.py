"""Settings of PQN: refusals with their remedies, and the round trip through a dict."""

from __future__ import annotations

from typing import Any

import pytest

from agents.pqn.presets import pqn
from agents.pqn.settings import PqnSettings
from training.settings import changed, from_dict, to_dict


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [
        ({"learner.steps": 1}, "raise learner.steps"),
        ({"learner.minibatches": 5_000}, "lower it"),
        ({"learner.num_envs": 33}, "give a multiple of the runners"),
        ({"learner.num_envs": 128, "fleet.runners": 128, "learner.minibatches": 17}, "may hold 16"),
        ({"learner.threads": 0}, "learner.threads is 0: use 1 or more"),
        ({"fleet.runners": 0}, "fleet.runners is 0: use 1 or more"),
        ({"learner.epochs": 0}, "learner.epochs is 0: use 1 or more"),
        ({"learner.trace": 1.5}, "both lie in 0..1"),
        ({"learner.learning_rate": 0.0}, "must be above 0"),
        ({"learner.reward_clip": -1.0}, "raw rewards"),
        ({"learner.precision": "fp16"}, "use one of auto, bf16, fp32"),
        ({"learner.device": "tpu"}, "use auto, cpu or cuda"),
        ({"network.head": "categorical"}, "use scalar"),
        ({"network.noisy": True}, r"PQN explores by exploration\.\*, use false"),
        ({"evaluation.every_steps": 5}, "use 0"),
        ({"seed": -1}, "use 0 to"),
        ({"checkpoint_minutes": 0.0}, "above 0"),
        ({"replay.capacity": 5}, "unknown settings"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy):
        changed(pqn(), changes)


def test_settings_come_back() -> None:
    assert from_dict(PqnSettings, to_dict(pqn())) == pqn()

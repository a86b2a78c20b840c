"""Presets of published agents against the numbers that are printed in their papers, in the units of our settings."""

from __future__ import annotations

from typing import Any

import pytest

from agents.dqn.presets import PRESETS
from agents.dqn.settings import Settings
from training.settings import flat

SKIP = 4  # emulator frames per agent step; papers count in either unit
EVERY = 4  # agent steps per update
FRAMES_200M = 200_000_000 // SKIP

PLAIN: dict[str, Any] = {
    "env.frame_skip": SKIP,
    "network.stack": 4,
    "exploration.start": 1.0,
    "replay.capacity": 1_000_000,
    "replay.prioritized": False,
    "replay.n_step": 1,
    "learner.batch_size": 32,
    "learner.double": False,
    "learner.reward_clip": 1.0,
}
NATURE: dict[str, Any] = {  # values that all share, of Mnih et al. (2015), extended data table 1 and methods
    **PLAIN,
    "env.life_signal": True,
    "network.kind": "dqn2015",
    "replay.samples_per_insert": 32 / EVERY,
    "learner.gamma": 0.99,
}
PAPERS: dict[str, dict[str, Any]] = {
    "dqn2013": {  # Mnih et al. (2013), sections 4.1 and 5
        **PLAIN,
        "stop.steps": 10_000_000,
        "network.kind": "dqn2013",
        "exploration.final": 0.1,
        "exploration.anneal_steps": 1_000_000,
        "learner.loss": "squared",
        "learner.target_period": 1,
        "evaluation.epsilon": 0.05,
    },
    "dqn2015": {
        **NATURE,
        "env.noop_max": 30,
        "stop.steps": 50_000_000,
        "exploration.final": 0.1,
        "exploration.anneal_steps": 1_000_000,
        "replay.learning_starts": 50_000,
        "learner.learning_rate": 0.00025,
        "learner.loss": "huber",
        "learner.target_period": 10_000,  # counted in updates
        "evaluation.epsilon": 0.05,
    },
    "rainbow": {  # Hessel et al. (2018), tables 1 to 4
        **NATURE,
        "env.frame_cap": 108_000,
        "stop.steps": FRAMES_200M,
        "network.dueling": True,
        "network.head": "categorical",
        "network.atoms": 51,
        "network.value_min": -10.0,
        "network.value_max": 10.0,
        "network.noisy": True,
        "exploration.start": 0.0,
        "exploration.final": 0.0,
        "replay.prioritized": True,
        "replay.alpha": 0.5,
        "replay.beta": 0.4,
        "replay.beta_updates": FRAMES_200M // EVERY,  # beta is 1 at the end
        "replay.n_step": 3,
        "replay.learning_starts": 80_000 // SKIP,
        "learner.learning_rate": 0.0000625,
        "learner.adam_epsilon": 1.5e-4,
        "learner.double": True,
        "learner.target_period": 32_000 // SKIP // EVERY,
    },
    "qrdqn": {  # Dabney et al. (2018), with the differences of the curves of Castro et al. (2018)
        **NATURE,
        "env.sticky": 0.25,
        "env.life_signal": False,
        "stop.steps": FRAMES_200M,
        "network.head": "quantile",
        "network.atoms": 200,
        "exploration.final": 0.01,
        "exploration.anneal_steps": 250_000,
        "replay.prioritized": True,
        "replay.alpha": 0.5,
        "replay.n_step": 3,
        "replay.learning_starts": 20_000,
        "learner.learning_rate": 0.00005,
        "learner.adam_epsilon": 0.01 / 32,
        "learner.loss": "huber",
        "learner.target_period": 8_000 // EVERY,
        "learner.average_rate": 1.0,
    },
    "apex": {  # Horgan et al. (2018), section 4.1 and appendix C
        **NATURE,
        "network.dueling": True,
        "exploration.start": 0.4,  # nothing is annealed
        "exploration.final": 0.4,
        "exploration.ladder": 7.0,
        "replay.capacity": 2_000_000,
        "replay.prioritized": True,
        "replay.initial_priority": "actor",
        "replay.alpha": 0.6,
        "replay.beta": 0.4,
        "replay.n_step": 3,
        "replay.samples_per_insert": 9.7 / 12.5,  # thousands per second
        "replay.learning_starts": 50_000,
        "learner.batch_size": 512,
        "learner.learning_rate": 0.00025 / 4,
        "learner.double": True,
        "learner.loss": "squared",
        "learner.target_period": 2_500,
        "learner.max_grad_norm": 40.0,
    },
}
OWN: dict[str, dict[str, Any]] = {  # the numbered lines of `agents.dqn.papers`, and values that the papers leave open
    "dqn2013": {
        "replay.samples_per_insert": 8.0,
        "replay.learning_starts": 50_000,
        "learner.loss": "huber",
        "learner.max_grad_norm": 10.0,
    },
    "dqn2015": {"learner.max_grad_norm": 10.0},
    "rainbow": {"exploration.anneal_steps": 1, "learner.max_grad_norm": 10.0, "evaluation.epsilon": 0.001},
    "qrdqn": {
        "env.life_signal": True,
        "stop.steps": 2_500_000 // SKIP,
        "network.atoms": 51,
        "replay.capacity": 700_000,
        "learner.max_grad_norm": 10.0,
        "learner.average_rate": 0.02,
    },
    "apex": {
        "stop.steps": FRAMES_200M,
        "exploration.anneal_steps": 1,
        "replay.beta_updates": 1_000_000_000,  # beta stays practically constant
        "replay.samples_per_insert": 1.0,
        "learner.loss": "huber",
        "fleet.runners": 8,
        "fleet.envs_per_runner": 360 // 8,  # as many actors as in the paper
        "fleet.env_threads": 1,
        "fleet.shards": 2,
        "evaluation.epsilon": 0.001,
    },
}


@pytest.mark.parametrize("preset", PAPERS)
def test_a_preset_has_the_numbers_of_its_paper(preset: str) -> None:
    """A preset has its paper's values except those in OWN, and changes no default outside the two tables."""
    found, usual = flat(PRESETS[preset]()), flat(Settings())
    wanted = {**PAPERS[preset], **OWN[preset], "env.id": "ALE/Breakout-v5"}
    assert {name: found[name] for name in wanted} == wanted
    assert {name for name, value in found.items() if value != usual[name]} <= wanted.keys()
    assert all(PAPERS[preset].get(name) != value for name, value in OWN[preset].items())

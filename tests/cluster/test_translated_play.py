"""Games whose frames are changed for the policy, and cycle errors under noise on the translated image."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.translated_play import NOISE, Disguised, changes, cycle_errors
from envs import EnvSettings, make_env
from gan.cycle.domains import moved
from gan.cycle.networks import CycleNetworkSettings, Pair, Shown


def untrained(shape: tuple[int, int, int] = (1, 84, 84)) -> Shown:
    """Return untrained translators, which change nothing, with gray images to show."""
    torch.manual_seed(0)
    pair = Pair(CycleNetworkSettings(generator_width=4, blocks=1), shape).requires_grad_(False)
    return Shown(pair, torch.randint(60, 190, (2, 3, *shape), dtype=torch.uint8))


def test_only_the_frames_are_changed() -> None:
    settings = EnvSettings(id="toy/catch")
    env, true = Disguised(make_env(settings, 2), lambda frames: 255 - frames), make_env(settings, 2)
    shown, step = env.reset(3), true.reset(3)
    for action in range(15):
        assert (shown.frame == 255 - step.frame).all()
        assert (shown.reward == step.reward).all()
        assert (shown.first == step.first).all()
        shown, step = (each.step(np.array([action % 3, 0])) for each in (env, true))
    env.close()
    true.close()


def test_the_cases_differ_in_what_the_policy_sees() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 84, 84)).astype(np.uint8)
    seen = {case: change(frames) for case, change in changes(untrained(), "striped").items()}
    assert (seen["true frames"] == frames).all()
    assert (seen["as they are"] == moved(frames, "striped")).all()
    assert (seen["translated"] == seen["as they are"]).all(), "these translators have learnt nothing"
    assert np.abs(seen["exact inverse"].astype(int) - frames).max() <= 1


def test_a_copy_is_off_by_the_noise_alone() -> None:
    for level, (first, second, alone) in zip(NOISE, cycle_errors(untrained()), strict=True):
        assert first == pytest.approx(alone, rel=0.05, abs=1e-6)
        assert second == pytest.approx(alone, rel=0.05, abs=1e-6)
        assert alone == pytest.approx(0.7979 * level, rel=1e-3)

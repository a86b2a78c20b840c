"""Checks of settings before anything starts: a refused env is closed, and replay must fit in memory."""

from __future__ import annotations

import pytest

from agents.dqn.check import check as check_numbers
from agents.sac.check import check as check_torques
from agents.sac.presets import halfcheetah
from envs.vector import GymnasiumEnv
from tests.aim_env import AIM
from tests.small_run import small_settings
from training.settings import changed


def test_an_env_that_is_refused_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    close, closed = GymnasiumEnv.close, list[GymnasiumEnv]()

    def noted(env: GymnasiumEnv) -> None:
        closed.append(env)
        close(env)

    monkeypatch.setattr(GymnasiumEnv, "close", noted)
    with pytest.raises(ValueError, match="takes torques, not numbered actions"):
        check_numbers(small_settings(AIM))
    assert len(closed) == 1


def test_replay_of_torques_on_a_gpu_must_fit_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replay of torques must fit on the GPU, unless the learner uses the CPU or shards or learners are actors."""
    here = {"env.id": AIM, "replay.capacity": 100_000, "learner.device": "cuda"}
    settings = changed(halfcheetah(), here)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda device: (1 << 20, 1 << 30))
    with pytest.raises(ValueError, match=r"^replay needs .* GiB on cuda, and 0\.0 GiB are free: lower --replay\.capac"):
        check_torques(settings)
    for changes in ({"learner.device": "cpu"}, {"fleet.shards": 1}, {"fleet.learners": 1}):
        assert check_torques(changed(settings, changes)) > 1 << 20

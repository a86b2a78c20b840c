"""Who is given a GPU of a cluster's, asked on a machine without one."""

from __future__ import annotations

import pytest

from cluster.fleet.algorithm import QuarterdeckConfig


@pytest.mark.parametrize(("gpus", "learners", "reserved"), [(0, 1, 0), (1, 1, 1), (1, 2, 0), (2, 2, 1)])
def test_a_learner_reserves_the_gpu_that_auto_finds(
    monkeypatch: pytest.MonkeyPatch, gpus: int, learners: int, reserved: int
) -> None:
    """Ray hides every GPU from an actor that reserves none."""
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)
    config = QuarterdeckConfig().training(settings={"learner": {"device": "auto"}, "fleet": {"shards": 1}})
    config.learners(num_learners=learners).validate()
    assert config.num_gpus_per_learner == reserved
    monkeypatch.setattr("ray.is_initialized", lambda: True)
    monkeypatch.setattr("ray.cluster_resources", lambda: {"GPU": float(gpus)})
    fresh = QuarterdeckConfig().training(settings={"learner": {"device": "auto"}, "fleet": {"shards": 1}})
    fresh.learners(num_learners=learners).validate()
    assert fresh.num_gpus_per_learner == reserved


def test_a_learner_actor_is_given_no_gpu_by_its_number() -> None:
    config = QuarterdeckConfig().training(settings={"learner": {"device": "cuda:1"}})
    assert config.to_settings().learner.device == "cuda:1"
    with pytest.raises(ValueError, match=r"^learner\.device is 'cuda:1', and each of fleet\.learners .*: use cuda$"):
        config.learners(num_learners=1).validate()
    config.training(settings={"learner": {"device": "cuda:0"}}).validate()

"""Packing of chunks for transfer between hosts, and checks of a cluster's resources before placement."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.replay.transitions import Chunk
from cluster.fleet import placement
from cluster.fleet.compression import Packed, pack, unpack
from tests.cluster.helpers import catch_settings


def chunk_of(frames: np.ndarray) -> Chunk:
    """Return a chunk with these frames [T, E, P, D]."""
    time, envs = frames.shape[:2]
    flags = np.zeros((time, envs), np.bool_)
    priority = np.arange(time * envs, dtype=np.float32).reshape(time, envs)
    return Chunk(frames, flags.astype(np.uint8), flags.astype(np.float32), flags, ~flags, 3, 7, 11, 5, priority)


@given(
    shape=st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 5), st.just(16)),
    dtype=st.sampled_from([np.uint8, np.float32]),
    seed=st.integers(0, 99),
    far=st.booleans(),
)
def test_what_arrives_is_what_was_sent(shape: tuple[int, ...], dtype: type, seed: int, far: bool) -> None:
    frames = np.random.default_rng(seed).integers(0, 3, shape).astype(dtype)
    sent = chunk_of(frames[:, ::-1])  # a view with non-contiguous memory
    arrived = unpack(pack(sent, far=far)[0])
    for one, other in zip(arrived, sent, strict=True):
        np.testing.assert_array_equal(one, other)
    assert arrived.frames.dtype == dtype


def test_frames_are_packed_for_other_hosts_only() -> None:
    """Frames of mostly one colour shrink to less than a fiftieth for another host; within a host nothing is copied."""
    frames = np.zeros((16, 4, 441, 16), np.uint8)
    frames[..., 100, :] = np.arange(16)
    message, sent = pack(chunk_of(frames), far=True)
    assert isinstance(message, Packed)
    assert sent.size == len(message.frames) < frames.nbytes / 50
    assert sent.seconds > 0
    near, sent = pack(chunk_of(frames), far=False)
    assert near.frames is frames
    assert (sent.size, sent.seconds) == (frames.nbytes, 0.0)


@pytest.mark.parametrize(("learners", "gpus", "here"), [(2, 1, 8), (1, 0, 8), (0, 8, 0)])
def test_a_cluster_without_gpus_is_never_trained_on_silently(
    learners: int, gpus: int, here: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`auto` is refused on a cluster with too few GPUs, and the error names settings that work without them."""
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    monkeypatch.setattr(placement.ray, "cluster_resources", lambda: {"GPU": float(gpus)})
    monkeypatch.setattr(placement.torch.cuda, "device_count", lambda: here)
    remedy = r"--learner\.device cuda to wait" if learners else r"--fleet\.learners 1 to learn on one$"
    with pytest.raises(ValueError, match=rf"--learner\.device cpu .*, or {remedy}"):
        placement.resolve_device("auto", learners)
    assert placement.resolve_device("cpu", learners) == "cpu"
    assert placement.resolve_device("cuda", learners) == "cuda", "GPU nodes may still come"


def test_auto_is_a_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement.ray, "cluster_resources", lambda: {"GPU": 2.0})
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert placement.resolve_device("auto", 2) == "cuda"
    monkeypatch.delenv("RAY_ADDRESS")
    for there, device in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(placement.torch.cuda, "is_available", lambda there=there: there)
        assert placement.resolve_device("auto", 0) == device
    monkeypatch.setattr(placement, "usable_gpu", lambda: False)  # a GPU for which torch has no kernels
    assert placement.resolve_device("auto", 2) == "cpu"


@pytest.mark.parametrize(("device", "learners", "gpus"), [("auto", 2, 1), ("cuda", 1, 0), ("cuda", 3, 2)])
def test_ones_own_machine_is_not_waited_for_to_have_more_gpus(
    device: str, learners: int, gpus: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More learners than GPUs are refused on a single machine; learning on the CPU or with a GPU each is accepted."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(placement.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(placement.ray, "cluster_resources", lambda: {"GPU": float(gpus)} if gpus else {})
    said = f"this machine has {gpus} GPUs for {learners} learners: say --learner.device cpu .*, or lower --fleet.learne"
    with pytest.raises(ValueError, match=said):
        placement.resolve_device(device, learners)
    assert placement.resolve_device("cpu", learners) == "cpu"
    assert placement.resolve_device(device, gpus) == "cuda"


def test_missing_roles_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement.ray, "cluster_resources", lambda: {"rollout": 1.0, "replay": 2.0})
    said = placement.missing(catch_settings(runners=3, shards=2, learners=1, roles=True))
    assert said == "waiting for 3 rollout slots (the nodes offer 1), 1 learner slots (the nodes offer 0)"
    assert placement.missing(catch_settings(runners=1, roles=True)) == ""
    assert placement.missing(catch_settings(runners=3)) == ""

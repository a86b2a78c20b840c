"""One small Ray cluster for all tests that want one, and one small run directory for those that only read it."""

from __future__ import annotations

import gc
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import gymnasium
import psutil
import pytest

from tests.cluster.gan_helpers import write_corners
from tests.cluster.strangers import FILES

os.environ |= {
    "RAY_AUTH_MODE": "disabled",  # leaves the home directory alone
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "RAY_worker_niceness": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "RAY_enable_metrics_collection": "0",  # which nobody reads, and what the agent of a node finds out about it
    "REPORTER_UPDATE_INTERVAL_MS": "600000",
}


@pytest.fixture
def tune_leaves_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tune's handler of SIGINT outlives what it ran; the product's own sweeps turn it off themselves."""
    monkeypatch.setenv("TUNE_DISABLE_SIGINT_HANDLER", "1")


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """A cluster of this process alone, gone with it. Fleets that this process trains on it have short turns."""
    import ray

    from cluster.connect import start_own

    with pytest.MonkeyPatch.context() as patch:  # servers that no test asks anything: three processes less
        patch.setattr("ray._private.services.start_api_server", lambda *_, **__: ("", None))
        patch.setattr("ray._private.node.Node.start_log_monitor", lambda _: None)
        patch.setattr("ray._private.node.Node.start_monitor", lambda _: None)
        start_own(
            num_cpus=4,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
            object_store_memory=200 << 20,
            resources={"rollout": 1},  # room for one runner of a fleet with roles
            namespace=f"tests-{os.getpid()}",
        )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cluster.fleet.config.QuarterdeckConfig.turn_seconds", 0.1)  # tests wait for some turn
        yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # Ray kills its servers, and does not wait for their end
        ray.shutdown()
        gc.collect()


@pytest.fixture(scope="session")
def gone_in_the_end() -> Iterator[list[psutil.Process]]:
    """Processes that must end by themselves, if only after a minute: looked for once all tests are over."""
    from tests.cluster.helpers import still_alive

    left: list[psutil.Process] = []
    yield left
    assert still_alive(left, 600) == []


@pytest.fixture(scope="session")
def catch_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a finished serial run on toy/catch, one for all test processes: copy it before you change it."""
    from cluster.cli.main import main
    from tests.cluster.helpers import TINY_CATCH, wait_until
    from training.storage.locks import lock

    place = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = place.parent  # of all workers; where there are none it would be that of every call of pytest
    path = place / "runs" / "catch"
    held = wait_until(lambda: lock(place / "runs.lock"))
    try:
        if not (path / "summary.json").exists():  # what a run writes last
            assert main(["train", "atari", *TINY_CATCH, "--serial", "--steps", "400", "--run-dir", str(path)]) == 0
    finally:
        os.close(held)
    return path


@pytest.fixture(scope="session")
def corners(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of pictures; the runs of GANs beside it find a hastily trained classifier."""
    from gan.coupled.domains import whole_second
    from gan.data.images import DataSettings, load
    from gan.evaluation.features import extractor_for

    file = write_corners(tmp_path_factory.mktemp("gan") / "corners.npz")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gan.evaluation.features.EPOCHS", 1)
        data = load(DataSettings(source=str(file)))
        for each in (data, whole_second(data, "edges")):
            extractor_for(each, file.parent / ".gan-cache")
    return file


@pytest.fixture
def strangers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Somebody's own folder (docs/extending.md), in which they work; nothing of it stays imported or registered."""
    from cluster.workloads import WORKLOADS

    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    before, known = set(sys.modules), dict(WORKLOADS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    yield tmp_path
    gymnasium.registry.pop("Dodge-v0", None)
    WORKLOADS.clear()
    WORKLOADS.update(known)
    for name in set(sys.modules) - before:
        if name.startswith("my_"):
            del sys.modules[name]

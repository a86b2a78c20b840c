"""Shared fixtures: a small Ray cluster, a finished run directory, a GAN data set and a folder of user code."""

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
    "RAY_AUTH_MODE": "disabled",  # writes nothing into the home directory
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "RAY_worker_niceness": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "RAY_enable_metrics_collection": "0",  # unused, as are the reports of a node's agent
    "REPORTER_UPDATE_INTERVAL_MS": "600000",
}


@pytest.fixture
def tune_leaves_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    """Disable Tune's SIGINT handler, which stays installed after a run; the project's sweeps disable it themselves."""
    monkeypatch.setenv("TUNE_DISABLE_SIGINT_HANDLER", "1")


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """Start a Ray cluster for this process only; fleets trained in this process have short turns."""
    import ray

    from cluster.connect import start_own

    with pytest.MonkeyPatch.context() as patch:  # unused servers: three processes fewer
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
        patch.setattr("cluster.fleet.config.QuarterdeckConfig.turn_seconds", 0.1)  # some tests wait for a turn's end
        yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # Ray kills its servers without waiting for their end
        ray.shutdown()
        gc.collect()


@pytest.fixture(scope="session")
def gone_in_the_end() -> Iterator[list[psutil.Process]]:
    """Yield a list of processes that must end by themselves; it is checked after all tests, with a long timeout."""
    from tests.cluster.helpers import still_alive

    left: list[psutil.Process] = []
    yield left
    assert still_alive(left, 600) == []


@pytest.fixture(scope="session")
def catch_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a finished serial run on toy/catch, shared by all test processes: change only copies."""
    from cluster.cli.main import main
    from tests.cluster.helpers import TINY_CATCH, wait_until
    from training.storage.locks import lock

    place = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = place.parent  # shared by all xdist workers; without xdist it would be shared by all calls of pytest
    path = place / "runs" / "catch"
    held = wait_until(lambda: lock(place / "runs.lock"))
    try:
        if not (path / "summary.json").exists():  # a run writes it last
            assert main(["train", "atari", *TINY_CATCH, "--serial", "--steps", "400", "--run-dir", str(path)]) == 0
    finally:
        os.close(held)
    return path


@pytest.fixture(scope="session")
def corners(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small image archive; GAN runs beside it use a cached classifier that was trained for one epoch."""
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
    """Work in a folder with user code (docs/extending.md); its imports and registrations are undone afterwards."""
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

"""An empty lab for every test that wants one; the tests of this folder are skipped where there can be none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts.hosts import Lab, why_not
from tests.hosts.ray_hosts import RayHosts


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test of this folder needs hosts."""
    here = [item for item in items if Path(__file__).parent in item.path.parents]
    reason = why_not() if here else None
    for item in here:
        item.add_marker(pytest.mark.hosts)
        if reason is not None:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A switch without hosts."""
    lab = Lab(tmp_path)
    yield lab
    lab.close()


@pytest.fixture
def ray_hosts(lab: Lab) -> RayHosts:
    """A head and a host outside of the cluster; workers are the test's to start."""
    return RayHosts(lab)

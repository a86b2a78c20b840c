"""Fixtures of the tests on hosts; the tests are skipped where namespaces cannot be made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.helpers import TIMEOUT
from tests.hosts.hosts import Lab, why_not
from tests.hosts.ray_hosts import RayHosts


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark this folder's tests as `hosts`, with a long timeout, and skip them where hosts cannot be made."""
    here = [item for item in items if Path(__file__).parent in item.path.parents]
    reason = why_not() if here else None
    for item in here:
        item.add_marker(pytest.mark.hosts)
        item.add_marker(pytest.mark.timeout(TIMEOUT))
        if reason is not None:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """Start a switch without hosts."""
    lab = Lab(tmp_path)
    yield lab
    lab.close()


@pytest.fixture
def ray_hosts(lab: Lab) -> RayHosts:
    """Start a head and a host outside of the cluster; tests start their own workers."""
    return RayHosts(lab)

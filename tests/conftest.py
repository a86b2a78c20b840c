"""Settings of all tests."""

from __future__ import annotations

import hypothesis
import pytest

# No test may fail because the machine is busy.
hypothesis.settings.register_profile("quarterdeck", deadline=None)
hypothesis.settings.load_profile("quarterdeck")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first: of two processes, none should be left with one when the other has nothing more to do."""
    items.sort(key=lambda item: "cluster" not in item.path.parts)

"""The skip mark for tests with games for two."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

needs_two = pytest.mark.skipif(
    find_spec("multi_agent_ale_py") is None, reason="games for two: pip install -e '.[selfplay]'"
)

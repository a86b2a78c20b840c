"""Trees of arrays and values, as checkpoints hold them."""

from __future__ import annotations

from typing import Any

import numpy as np

# A sample of the values that a run saves.
STATE: dict[str, Any] = {
    "settings": {"name": "a run", "rate": 2.5e-4, "score": None, "flags": [True, False], "big": 2**127 + 1},
    "learner": {"w": np.arange(6, dtype=np.float32).reshape(2, 3).T, "step": np.array(7.0), "none": np.zeros((0, 3))},
    "replay": {"frames": np.random.default_rng(0).integers(256, size=(50, 40), dtype=np.uint8)},
}


def assert_same(one: Any, other: Any) -> None:
    """Assert that two trees have the same keys, values, dtypes and shapes."""
    if isinstance(one, dict):
        assert isinstance(other, dict)
        assert list(one) == list(other)
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, np.ndarray):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        np.testing.assert_array_equal(one, other)
    else:
        assert one == other
        assert type(one) is type(other)

"""Settings of all tests."""

from __future__ import annotations

import os

import hypothesis

# Test processes share the cores: a second thread of each would wait, spinning, for a core that another test has.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# No test may fail because the machine is busy.
hypothesis.settings.register_profile("quarterdeck", deadline=None)
hypothesis.settings.load_profile("quarterdeck")

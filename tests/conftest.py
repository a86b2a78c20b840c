"""Settings of all tests."""

from __future__ import annotations

import hypothesis

# No test may fail because the machine is busy.
hypothesis.settings.register_profile("quarterdeck", deadline=None)
hypothesis.settings.load_profile("quarterdeck")

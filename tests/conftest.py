"""Settings of all tests."""

from __future__ import annotations

import os
import signal

import hypothesis

# Test processes share the cores: a second thread of each would wait, spinning, for a core that another test has.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A job in the background of a script is started deaf to Ctrl-C, and so would be every process that a test interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No test may fail because the machine is busy.
hypothesis.settings.register_profile("quarterdeck", deadline=None)
hypothesis.settings.load_profile("quarterdeck")

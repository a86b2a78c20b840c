"""How long tests wait: nets under hangs, and never a measure of speed. A busy machine is many times slower."""

PATIENCE = 600.0  # seconds; such a machine starts processes slowly
TIMEOUT = 2 * PATIENCE  # of a test that starts or kills processes, or learns for long

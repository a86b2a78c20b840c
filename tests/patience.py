"""How long tests wait: limits for hangs, not measures of speed. A busy machine is many times slower."""

PATIENCE = 600.0  # seconds; a busy machine starts processes slowly
TIMEOUT = 2 * PATIENCE  # for a test that starts or kills processes, or trains for long

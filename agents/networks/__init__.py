"""Networks of values."""

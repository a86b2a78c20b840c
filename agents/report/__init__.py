"""Many runs as tables and figures."""

"""Self-play: deep Q-learning against a league of its own past policies."""

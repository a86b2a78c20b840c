"""Self-play: deep Q-learning whose opponents are a league of its own past."""

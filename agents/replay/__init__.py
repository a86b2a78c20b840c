"""Replay: every frame stored once, and what is drawn from it."""

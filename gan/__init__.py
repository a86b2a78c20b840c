"""Generative core: adversarial networks, their losses, one trainer and honest scores. Knows torch, not Ray."""

"""Generative adversarial networks: families, losses, training and scores. Imports torch, but not Ray."""

"""The adversarial game of noise (and class) to image."""

"""The standard family: noise, and a class if conditional, to an image."""

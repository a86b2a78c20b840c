"""Upscaling of photographs and of game frames to twice the side."""

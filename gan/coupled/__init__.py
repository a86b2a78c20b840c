"""Coupled GANs (Liu and Tuzel 2016): pairs of images of two domains, learned from unpaired images."""

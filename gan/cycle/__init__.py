"""Cycle-consistent GANs (Zhu et al. 2017): unpaired translation of images from one domain to another and back."""

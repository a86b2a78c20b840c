"""Cycle-consistent GANs (Zhu et al. 2017): images carried from one domain to another and back, without a pair."""

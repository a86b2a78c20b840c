"""Recurrent deep Q-learning: sequences with stored states, burn-in, rescaled values (Kapturowski et al. 2019)."""

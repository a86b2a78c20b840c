"""What RLlib's users bring along: their config's words, names of environments, results, modules."""

"""Adapters for users of RLlib: config fields, environments, results, modules."""

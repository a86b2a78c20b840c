"""Tabular value learning, and exact planning in known MDPs."""

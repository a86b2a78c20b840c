"""A policy as somebody looks at it."""

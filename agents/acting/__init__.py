"""Policies at play: exploration, and envs turned into chunks."""

"""Policies at play: exploration, and worlds turned into chunks."""

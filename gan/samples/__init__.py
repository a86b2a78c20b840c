"""Samples and pictures of trained generators."""

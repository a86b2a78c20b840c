"""Benchmarks against a roofline, other libraries and controls, and figures for the documentation."""

"""Run directories, checkpoints, tables, and atomic files."""

"""What lies on disk: run directories, checkpoints, tables, and files that are whole or absent."""

"""The command line: a table of commands, and a module for each. Nothing here is imported from elsewhere."""

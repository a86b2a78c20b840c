"""The command line: a table of commands and a module for each. No other package imports it."""

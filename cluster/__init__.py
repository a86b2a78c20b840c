"""Everything that runs on Ray, and the command line: the only package that imports it."""

"""Play as labelled data: data sets of it on disk, networks that imitate it, and deep Q-learning from it alone."""

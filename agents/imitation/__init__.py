"""Learning from recorded play: data sets on disk, behaviour cloning, and offline deep Q-learning."""

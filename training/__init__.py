"""Code shared by every training, independent of environments, agents and generators."""

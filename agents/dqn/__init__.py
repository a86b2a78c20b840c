"""Deep Q-learning: settings, losses, the one update, the loop in one process."""

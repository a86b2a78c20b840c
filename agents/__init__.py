"""The learning core: networks, losses, replay, rollouts, the one update. Knows nothing of Ray."""

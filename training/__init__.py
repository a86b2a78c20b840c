"""What every training shares: it knows no environment, no agent and no generator."""

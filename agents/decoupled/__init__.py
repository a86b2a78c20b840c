"""DecQN: deep Q-learning for continuous actions, with three values for every joint (Seyde et al. 2023)."""

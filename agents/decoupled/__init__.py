"""DecQN: deep Q-learning of torques, three values for every joint (Seyde et al. 2023)."""

"""CrossQ: soft actor-critic for continuous actions, with batch norm and no target networks (Bhatt et al. 2024)."""

"""CrossQ: soft actor-critic for torques, with batch norm in place of target networks (Bhatt et al. 2024)."""

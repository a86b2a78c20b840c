"""PQN: deep Q-learning in many envs at once, without replay or target network (Gallici et al. 2024)."""

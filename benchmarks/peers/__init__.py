"""End-to-end training throughput of other libraries' DQN, for comparison on the same machine."""

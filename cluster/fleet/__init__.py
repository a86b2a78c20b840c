"""The distributed loop: runners, replay shards, learners, weights, and the one algorithm that joins them."""

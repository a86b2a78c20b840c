"""Many trainings as trials of Ray Tune."""

"""Evaluation of policies: whole games under named protocols, and statistics of the scores."""

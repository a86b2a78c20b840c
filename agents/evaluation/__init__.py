"""What a policy is worth: whole games under named rules, and what may be said of the scores."""

"""The fleet: the only room that imports Ray."""

"""Playback of policies: games in a terminal and as video, pictures, and data sets of frames."""

"""Small images to large ones: photographs, and frames of games."""

"""Progressive growing (Karras et al. 2018): training starts at a small size, and layers of larger ones are faded in."""

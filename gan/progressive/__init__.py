"""Progressive growing (Karras et al. 2018): small images first, then the layers of the next size are faded in."""

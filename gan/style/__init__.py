"""Style-based generators (Karras et al. 2019, 2020): noise is mapped to a style that each layer is told anew."""

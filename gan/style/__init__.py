"""Style-based generators (Karras et al. 2019, 2020): a mapping network turns noise into a style for every layer."""

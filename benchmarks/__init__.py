"""Speed against the roofline and the peers, and the pictures of the README."""

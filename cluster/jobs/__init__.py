"""Our commands as jobs of a cluster."""

"""A Kubernetes client as a controller needs it. Knows nothing of canaries."""

"""Past releases as a source of windows: what was recorded, read from a file or from Prometheus, and played again."""

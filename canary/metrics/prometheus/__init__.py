"""Prometheus as a source: packs say what a mesh calls its metrics, queries ask for them, and counts are differenced."""

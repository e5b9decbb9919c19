"""Metric sources: what each side answered, and how fast."""

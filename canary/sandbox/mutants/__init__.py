"""Seeded bugs that the invariants must catch: the proof that a run without a violation means something."""

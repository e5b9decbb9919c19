"""Events: what a rollout says to the people who watch it."""

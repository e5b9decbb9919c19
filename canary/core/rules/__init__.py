"""The rules of the decision, one concern a module. Each takes a `Situation` and returns a `Decision` or `None`."""

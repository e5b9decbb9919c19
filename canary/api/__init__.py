"""The Canary resource, and the few fields of other kinds that the controller reads."""

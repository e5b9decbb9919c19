"""Rollouts that nobody has to wait for: the decision itself, in virtual time, against traffic that is modelled."""

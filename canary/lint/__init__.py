"""Looks at manifests before they are applied: every error with its line, and advice on what a plan can show.

`check.lint` takes the bytes of files and returns a `Report`; it reads no file and asks no cluster. Errors are those of
the controller's own validation (`canary.api.validation`); the figures of the advice come from `canary.core.evidence`.
Each rule is in `rules`, with its reason and where that can be read.
"""

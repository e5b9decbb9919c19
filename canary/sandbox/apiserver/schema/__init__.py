"""Structural OpenAPI schemas of custom resources: defaults, pruning and validation as the API server does them.

Source: Kubernetes, "Extend the Kubernetes API with CustomResourceDefinitions", and the published behaviour of
k8s.io/apiextensions-apiserver and k8s.io/kube-openapi. No function changes its arguments; what did not change is shared
between the argument and the answer.
"""

from canary.sandbox.apiserver.schema.causes import Cause
from canary.sandbox.apiserver.schema.defaults import default
from canary.sandbox.apiserver.schema.pruning import prune, unknown_fields
from canary.sandbox.apiserver.schema.validation import validate

__all__ = ["Cause", "default", "prune", "unknown_fields", "validate"]

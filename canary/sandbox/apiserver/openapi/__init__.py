"""OpenAPI v3 of what is served: enough for `kubectl explain`, and for `kubectl apply` with validation by the server.

Source: Kubernetes, "The Kubernetes API", OpenAPI V3. There is no `/openapi/v2`: kubectl asks for it only when v3 has no
answer.
"""

from canary.sandbox.apiserver.openapi.documents import documents, index

__all__ = ["documents", "index"]

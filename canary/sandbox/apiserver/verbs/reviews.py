"""Questions about rights and identity: everybody may do everything here.

Source: Kubernetes API reference, the authorization.k8s.io and authentication.k8s.io groups.
"""

from __future__ import annotations

from canary.kube.transport import Response
from canary.sandbox.apiserver.cluster import Call
from canary.sandbox.apiserver.content import PROTOBUF, answer, decode_object, media_type
from canary.sandbox.apiserver.objects import Object

_EVERYTHING: Object = {
    "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
    "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
    "incomplete": False,
}


def review(call: Call) -> Response:
    """The review with its answer; nothing is stored."""
    # The answer does not depend on the question, so that even one in protobuf (kubectl auth can-i) can be answered.
    asked = {} if media_type(call.request) == PROTOBUF else decode_object(call.request)
    user = {"username": call.request.user or "admin", "groups": ["system:masters", "system:authenticated"]}
    status: Object = {"allowed": True}
    if call.kind.kind == "SelfSubjectRulesReview":
        status = _EVERYTHING
    elif call.kind.kind == "TokenReview":
        status = {"authenticated": True, "user": user}
    elif call.kind.kind == "SelfSubjectReview":
        status = {"userInfo": user}
    shown = {"kind": call.kind.kind, "apiVersion": call.kind.api_version, "metadata": {}, **asked, "status": status}
    return answer(201, shown)

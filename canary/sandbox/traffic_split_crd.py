"""The TrafficSplit CustomResourceDefinition of the embedded cluster: all four versions of SMI over one stored form.

Weights are plain integers in every version, and quantities besides in v1alpha1, so that a split written through any
version reads the same through the others.
Source: https://github.com/servicemeshinterface/smi-spec/tree/main/apis/traffic-split
"""

from __future__ import annotations

from typing import Any

from canary.traffic.versions import GROUP, PLURAL, VERSIONS, WITH_MATCHES

_NAME = {"type": "string", "minLength": 1, "maxLength": 253}
_MATCHES = {
    "type": "array",
    "maxItems": 64,
    "items": {
        "type": "object",
        "required": ["kind", "name"],
        "properties": {
            "apiGroup": {"type": "string"},
            "kind": {"type": "string", "enum": ["HTTPRouteGroup"]},
            "name": _NAME,
        },
    },
}


def traffic_split_crd(storage: str = VERSIONS[-1]) -> dict[str, Any]:
    """The definition, with `storage` as the stored version; there is no conversion between the versions."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": "TrafficSplit",
                "listKind": "TrafficSplitList",
                "plural": PLURAL,
                "singular": "trafficsplit",
                "shortNames": ["ts"],
            },
            "conversion": {"strategy": "None"},
            "versions": [_version(name, storage) for name in VERSIONS],
        },
    }


def _version(name: str, storage: str) -> dict[str, Any]:
    weight = {"x-kubernetes-int-or-string": True} if name == "v1alpha1" else {"type": "integer", "minimum": 0}
    backend = {
        "type": "object",
        "required": ["service", "weight"],
        "properties": {"service": _NAME, "weight": weight},
    }
    fields: dict[str, Any] = {"service": _NAME, "backends": {"type": "array", "maxItems": 64, "items": backend}}
    if name in WITH_MATCHES:
        fields["matches"] = _MATCHES
    spec = {"type": "object", "required": ["service", "backends"], "properties": fields}
    return {
        "name": name,
        "served": True,
        "storage": name == storage,
        "schema": {"openAPIV3Schema": {"type": "object", "required": ["spec"], "properties": {"spec": spec}}},
        "additionalPrinterColumns": [
            {
                "name": "Service",
                "type": "string",
                "jsonPath": ".spec.service",
                "description": "The root Service of the split.",
            },
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        ],
    }

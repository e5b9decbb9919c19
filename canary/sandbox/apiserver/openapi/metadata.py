"""The parts that all kinds share: metadata, conditions, references."""

from __future__ import annotations

from canary.sandbox.apiserver.openapi.shorthand import Schema, Short, expand

_META = "io.k8s.apimachinery.pkg.apis.meta.v1."

# Words of the shorthand, and the schemas that they refer to.
NAMES = {
    "Condition": f"{_META}Condition",
    "IntOrString": "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
    "LabelSelector": f"{_META}LabelSelector",
    "ListMeta": f"{_META}ListMeta",
    "ObjectMeta": f"{_META}ObjectMeta",
    "ObjectReference": "io.k8s.api.core.v1.ObjectReference",
}

_SHARED: dict[str, Short] = {
    "ObjectMeta": {
        "": "Metadata that every stored object has.",
        "annotations": "map | Unstructured data for tools; not used for selection.",
        "creationTimestamp": "time | When the server created the object. Set by the server.",
        "deletionGracePeriodSeconds": "int64 | Seconds until the object is removed for good. Set by the server.",
        "deletionTimestamp": "time | When deletion was asked for; it waits for the finalizers. Set by the server.",
        "finalizers": "string[] | What must be done before the object is removed.",
        "generateName": "string | A prefix from which the server makes a unique name when `name` is empty.",
        "generation": "int64 | Grows with each change of the desired state. Set by the server.",
        "labels": "map | Keys and values by which objects are selected.",
        "managedFields": [
            {
                "": "Which manager owns which fields.",
                "apiVersion": "string",
                "fieldsType": "string",
                "fieldsV1": "object",
                "manager": "string",
                "operation": "string",
                "subresource": "string",
                "time": "time",
            }
        ],
        "name": "string | The name, unique for a kind in a namespace. Cannot be changed.",
        "namespace": "string | The namespace in which names are unique. Cannot be changed.",
        "ownerReferences": [
            {
                "": "The objects that this one depends on; it is collected when all are gone.",
                "#": "uid",
                "apiVersion": "string*",
                "blockOwnerDeletion": "boolean",
                "controller": "boolean",
                "kind": "string*",
                "name": "string*",
                "uid": "string*",
            }
        ],
        "resourceVersion": "string | Changes with every write; sent back, it guards an update. Set by the server.",
        "selfLink": "string | Not set any more.",
        "uid": "string | Unique in time and space. Set by the server.",
    },
    "ListMeta": {
        "": "Metadata of a list.",
        "continue": "string | A token for the next part of the list.",
        "remainingItemCount": "int64 | How many objects are left.",
        "resourceVersion": "string | The version from which a watch can follow.",
        "selfLink": "string | Not set any more.",
    },
    "LabelSelector": {
        "": "Selects objects by their labels; all terms must hold.",
        "matchExpressions": [
            {
                "": "A term with an operator.",
                "key": "string* | The label.",
                "operator": "string* | In, NotIn, Exists or DoesNotExist.",
                "values": "string[] | For In and NotIn.",
            }
        ],
        "matchLabels": "map | Labels that must have these values.",
    },
    "Condition": {
        "": "One aspect of the current state.",
        "lastTransitionTime": "time* | When `status` changed last.",
        "message": "string* | A sentence for people.",
        "observedGeneration": "int64 | The generation that was looked at.",
        "reason": "string* | One word for programs.",
        "status": "string* | True, False or Unknown.",
        "type": "string* | The name of the aspect.",
    },
    "ObjectReference": {
        "": "A reference to another object.",
        "apiVersion": "string",
        "fieldPath": "string | A part of the object.",
        "kind": "string",
        "name": "string",
        "namespace": "string",
        "resourceVersion": "string",
        "uid": "string",
    },
}


def shared_schemas() -> dict[str, Schema]:
    """The schemas that others refer to, by name."""
    number_or_text = {"oneOf": [{"type": "integer"}, {"type": "string"}], "format": "int-or-string"}
    return {
        **{NAMES[word]: expand(short, NAMES) for word, short in _SHARED.items()},
        NAMES["IntOrString"]: number_or_text,
    }


TYPE_FIELDS: dict[str, Short] = {
    "apiVersion": "string | The version of the schema of this object: group/version, or version in the core group.",
    "kind": "string | What this object is, in CamelCase.",
    "metadata": "ObjectMeta | Name, namespace, labels and annotations.",
}

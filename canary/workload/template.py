"""Which revision a pod template is, together with the configuration that it reads.

What counts is the template as the API server stores it, defaults filled in, so that two ways of writing it are one
revision. A newer API server may fill in more than an older one: then the digests differ, `only_added` says that this
may be all, and a dry run of the older template through the server makes sure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canary.workload.canonical import canonical_json, digest_of, without_nulls
from canary.workload.config import ABSENT, ConfigRef
from canary.workload.sides import HASH_LABELS

FORM = 1
"""The version of what a revision is made from; it is part of its name, and counts up when that changes."""
_DIGITS = 16


def canonical(template: Any) -> bytes:
    """The canonical JSON of a pod template.

    Left out are nulls, `metadata.creationTimestamp` (which Go clients write as null, and nothing else may set) and the
    labels by which controllers mark what they made from it: a ReplicaSet's template is its Deployment's.
    """
    return canonical_json(_cleaned(template))


def template_digest(template: Any) -> str:
    """SHA-256 of `canonical(template)`, 64 hexadecimal digits."""
    return digest_of(_cleaned(template))


def revision_of(template: Any, config: Mapping[ConfigRef, str]) -> str:
    """The name of a revision, such as `v1-0a1b2c3d4e5f6071`: valid as a label value and inside the name of an object.

    `config` has the digest of every tracked ConfigMap and Secret that the template refers to, `ABSENT` for an optional
    one that does not exist: creating it later is a change, too, since pods that start afterwards read it.
    """
    digests = {(ref.kind, ref.name): digest for ref, digest in config.items()}
    lines = [[kind, name, None if digest == ABSENT else digest] for (kind, name), digest in sorted(digests.items())]
    whole = digest_of({"form": FORM, "template": _cleaned(template), "config": lines})
    return f"v{FORM}-{whole[:_DIGITS]}"


def only_added(pinned: Any, live: Any) -> bool:
    """Whether `live` has everything that `pinned` has, with equal values, and differs at most by further keys of maps.

    Lists are compared item by item and must be of one length. True is a hint and no proof: someone may have added a
    field, as well as a server its default.
    """
    return _within(_cleaned(pinned), _cleaned(live))


def _within(part: Any, whole: Any) -> bool:
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and _within(value, whole[key]) for key, value in part.items())
    if isinstance(part, list) and isinstance(whole, list):
        return len(part) == len(whole) and all(map(_within, part, whole))
    # In Python, True equals 1.
    return type(part) is type(whole) and bool(part == whole)


def _cleaned(template: Any) -> Any:
    cleaned = without_nulls(template)
    if not isinstance(cleaned, dict) or not isinstance(cleaned.get("metadata"), dict):
        return cleaned
    metadata = {key: value for key, value in cleaned.pop("metadata").items() if key != "creationTimestamp"}
    labels = metadata.get("labels")
    if isinstance(labels, dict):
        metadata["labels"] = {key: value for key, value in labels.items() if key not in HASH_LABELS}
    # An API server leaves empty maps of labels and annotations out, but keeps an empty metadata.
    metadata = {key: value for key, value in metadata.items() if value != {}}
    return {**cleaned, "metadata": metadata} if metadata else cleaned

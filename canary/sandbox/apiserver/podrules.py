"""What may be changed of a Pod: its images, and little else.

Source: Kubernetes, "Pod update and replacement"; k8s.io/kubernetes, package core/validation, `ValidatePodUpdate`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from canary.sandbox.apiserver.objects import Object, edited
from canary.sandbox.apiserver.schema import Cause, causes
from canary.sandbox.apiserver.templaterules import pod_spec_problems

_LISTS = ("containers", "initContainers")
_MUTABLE = ("activeDeadlineSeconds", "terminationGracePeriodSeconds", "tolerations")
_RULE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def pod_problems(obj: Object, old: Object | None) -> Iterator[Cause]:
    """What is wrong with a Pod, or with what it is after an update of `old`."""
    spec = obj.get("spec") or {}
    yield from pod_spec_problems(spec, "spec")
    if old is not None:
        yield from _changes(spec, old.get("spec") or {})


def _changes(spec: Object, before: Object) -> Iterator[Cause]:
    resized = [name for name in _LISTS if len(spec.get(name) or ()) != len(before.get(name) or ())]
    if resized:
        yield causes.forbidden(f"spec.{resized[0]}", "pod updates may not add or remove containers")
    elif _fixed(spec) != _fixed(before):
        yield causes.forbidden("spec", _RULE)


def _fixed(spec: Object) -> Object:
    """The parts of a spec that stay as they were."""
    lists: dict[str, Any] = {
        name: [edited(container, image=None) for container in spec[name]] for name in _LISTS if spec.get(name)
    }
    return edited({**spec, **lists}, **dict.fromkeys(_MUTABLE))

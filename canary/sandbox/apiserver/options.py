"""The parameters of a request beside its path: which values there are, and which go together.

Source: k8s.io/apimachinery, packages apis/meta/v1/validation and apis/meta/internalversion/validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from canary.sandbox.apiserver.cluster import Call
from canary.sandbox.apiserver.content import APPLY, media_type
from canary.sandbox.apiserver.schema import Cause, causes
from canary.sandbox.apiserver.status import invalid_options

_WORDS = {
    "create": "CreateOptions",
    "update": "UpdateOptions",
    "patch": "PatchOptions",
    "delete": "DeleteOptions",
    "deletecollection": "DeleteOptions",
    "list": "ListOptions",
    "watch": "ListOptions",
}
_VALIDATIONS = ("", "Ignore", "Strict", "Warn")
_MATCHES = ("Exact", "NotOlderThan", "")
_MANAGER_LIMIT = 128


def check_options(call: Call) -> None:
    """Raises `Refused` (422) with every parameter that is wrong."""
    query = call.request.query
    if not query and call.verb != "patch":
        return
    word = _WORDS.get(call.verb, "GetOptions")
    if call.verb == "watch":
        found = list(_watch_problems(query))
    elif call.verb == "list":
        found = list(_list_problems(query))
    else:
        found = [*_write_problems(query, word), *(_patch_problems(call) if call.verb == "patch" else ())]
    if found:
        raise invalid_options(word, found)


def _write_problems(query: Mapping[str, str], word: str) -> Iterator[Cause]:
    if query.get("dryRun") not in (None, "", "All"):
        yield unknown_dry_run([query["dryRun"]])
    if word not in ("CreateOptions", "UpdateOptions", "PatchOptions"):
        return
    validation = query.get("fieldValidation", "")
    if validation not in _VALIDATIONS:
        yield causes.not_supported("fieldValidation", validation, _VALIDATIONS)
    if len(query.get("fieldManager", "")) > _MANAGER_LIMIT:
        yield causes.too_long("fieldManager", _MANAGER_LIMIT)


def unknown_dry_run(given: list[str]) -> Cause:
    return causes.not_supported("dryRun", given, ("All",))


def _patch_problems(call: Call) -> Iterator[Cause]:
    query = call.request.query
    if media_type(call.request) == APPLY:
        if not query.get("fieldManager"):
            yield causes.required("fieldManager", "is required for apply patch")
    elif "force" in query:
        yield causes.forbidden("force", "may not be specified for non-apply patch")


def _no_match(detail: str) -> Cause:
    return causes.forbidden("resourceVersionMatch", detail)


def _list_problems(query: Mapping[str, str]) -> Iterator[Cause]:
    match, version = query.get("resourceVersionMatch", ""), query.get("resourceVersion", "")
    if match and not version:
        yield _no_match("resourceVersionMatch is forbidden unless resourceVersion is provided")
    if match and query.get("continue"):
        yield _no_match("resourceVersionMatch is forbidden when continue is provided")
    if match not in _MATCHES:
        yield causes.not_supported("resourceVersionMatch", match, _MATCHES)
    if match == "Exact" and version == "0":
        yield _no_match('resourceVersionMatch "exact" is forbidden for resourceVersion "0"')
    if "sendInitialEvents" in query:
        yield causes.forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list")


def _watch_problems(query: Mapping[str, str]) -> Iterator[Cause]:
    match, streaming = query.get("resourceVersionMatch", ""), "sendInitialEvents" in query
    if streaming and match != "NotOlderThan":
        yield _no_match("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
    if match and not streaming:
        yield _no_match("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")

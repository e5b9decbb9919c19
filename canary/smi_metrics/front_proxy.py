"""Who the aggregator of the API server is, as the API server itself publishes it.

kube-apiserver proxies requests for an aggregated API with a client certificate of its own, and names the user in
headers. Which authority signs that certificate, which names it may carry and which headers they are stands in the
ConfigMap kube-system/extension-apiserver-authentication. By then the API server has authorized the request: its RBAC
covers the paths of aggregated APIs like all others, and asking it once more would tell nothing new.

Source: Kubernetes, "Configure the Aggregation Layer", Kubernetes Apiserver Client Authentication and
Original Request Username and Group.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from canary.kube.client import Client
from canary.kube.resources import Resource

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
NAMESPACE, NAME = "kube-system", "extension-apiserver-authentication"
_PREFIX = "requestheader-"
_WORDS = msgspec.json.Decoder(tuple[str, ...])


class BadTrust(Exception):
    """The ConfigMap does not say whom to trust; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Trust:
    """`authorities` is PEM; no `names` means that any name will do. Header names are lower case."""

    authorities: str
    names: frozenset[str] = frozenset()
    user_headers: tuple[str, ...] = ()
    group_headers: tuple[str, ...] = ()

    def admits(self, certificate: Mapping[str, Any] | None) -> bool:
        """Whether a client is the aggregator, by its verified certificate as `ssl` decodes it (empty: it has none)."""
        if not certificate:
            return False
        return not self.names or _common_name(certificate) in self.names

    def user(self, headers: Mapping[str, str]) -> str:
        """For whom the aggregator asks, for the log. `headers` have lower-case names."""
        return next((headers[name] for name in self.user_headers if headers.get(name)), "")


class _ConfigMap(msgspec.Struct, frozen=True):
    data: dict[str, str] = {}


async def read_trust(client: Client) -> Trust:
    """What the API server publishes now. Raises `BadTrust` and the errors of `canary.kube.errors`."""
    return parse_trust((await client.get(CONFIG_MAPS, NAME, NAMESPACE, type=_ConfigMap)).data)


def parse_trust(data: Mapping[str, str]) -> Trust:
    """The data of the ConfigMap. Raises `BadTrust`."""
    authorities = data.get(f"{_PREFIX}client-ca-file", "")
    if not authorities.strip():
        raise BadTrust(
            f"the ConfigMap {NAMESPACE}/{NAME} has no {_PREFIX}client-ca-file: "
            "run kube-apiserver with --requestheader-client-ca-file"
        )
    return Trust(
        authorities,
        frozenset(_words(data, "allowed-names")),
        tuple(name.lower() for name in _words(data, "username-headers")),
        tuple(name.lower() for name in _words(data, "group-headers")),
    )


def _words(data: Mapping[str, str], name: str) -> tuple[str, ...]:
    try:
        return _WORDS.decode(data.get(_PREFIX + name) or "[]")
    except msgspec.MsgspecError as error:
        raise BadTrust(f"{_PREFIX}{name} in the ConfigMap {NAMESPACE}/{NAME} is no list of texts: {error}") from error


def _common_name(certificate: Mapping[str, Any]) -> str:
    """The last common name of the subject, which is the one that Go reads."""
    names = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    return str(names[-1]) if names else ""

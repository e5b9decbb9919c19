"""Label selectors, answered by the API server: metrics carry names, and only the objects have labels."""

from __future__ import annotations

import msgspec

from canary.kube.codec import decode
from canary.kube.errors import ApiError, BadRequest, KubeError, error_for
from canary.kube.transport import Transport
from canary.smi_metrics.kinds import Served
from canary.smi_metrics.refusal import Refusal, unavailable

ACCEPT = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
PAGE = 500
MOST_PAGES = 200


class _Meta(msgspec.Struct, frozen=True):
    name: str
    namespace: str = ""


class _Object(msgspec.Struct, frozen=True):
    metadata: _Meta


class _ListMeta(msgspec.Struct, frozen=True):
    continue_: str = msgspec.field(name="continue", default="")


class _Page(msgspec.Struct, frozen=True):
    metadata: _ListMeta = _ListMeta()
    items: tuple[_Object, ...] | None = None


class ObjectLabels:
    """Lists the metadata of objects; each page within `timeout` seconds. Needs the verb list on what is selected."""

    def __init__(self, transport: Transport, *, timeout: float) -> None:
        self._transport = transport
        self._timeout = timeout

    async def matching(self, served: Served, namespace: str, selector: str) -> frozenset[tuple[str, str]]:
        """See `Labels.matching`."""
        path = served.objects.path(namespace or None)
        query = {"labelSelector": selector, "limit": str(PAGE)}
        found: set[tuple[str, str]] = set()
        for _ in range(MOST_PAGES):
            page = await self._page(path, query, served)
            found.update((each.metadata.namespace, each.metadata.name) for each in page.items or ())
            if not page.metadata.continue_:
                return frozenset(found)
            query = query | {"continue": page.metadata.continue_}
        raise Refusal(500, f"labelSelector: it selects more than {PAGE * MOST_PAGES} objects of {served.plural}")

    async def _page(self, path: str, query: dict[str, str], served: Served) -> _Page:
        try:
            answer = await self._transport.request("GET", path, query=query, accept=ACCEPT, timeout=self._timeout)
            if answer.status >= 300:
                raise error_for(answer.status, answer.body)
            return decode(answer.body, _Page)
        except BadRequest as error:
            raise Refusal(400, f"labelSelector: {error.message}") from error
        except ApiError as error:
            if error.code == 429 or error.code >= 500:
                raise unavailable(f"labelSelector: the API server answered {error}") from error
            message = f"labelSelector: canary smi-metrics cannot list {served.plural}: {error}"
            raise Refusal(500, message) from error
        except KubeError as error:
            raise unavailable(f"labelSelector: the API server did not answer: {error}") from error

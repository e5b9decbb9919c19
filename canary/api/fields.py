"""Kinds of field values, with the bounds that the schema, the documentation and the decoder share."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

DURATION_PATTERN = r"^(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h))+)$"
PERCENT_PATTERN = r"^(100(\.0{1,4})?|[0-9]{1,2}(\.[0-9]{1,4})?)$"
TOLERANCE_PATTERN = r"^[0-9]{1,3}(\.[0-9]{1,4})?$"
LIMIT_PATTERN = f"{PERCENT_PATTERN}|{DURATION_PATTERN}"
SERVICE_PATTERN = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"
OBJECT_PATTERN = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"
NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
# Source: Kubernetes, Service v1, ServicePort: `targetPort` is an IANA_SVC_NAME, `appProtocol` a label name (a prefix
# and a name of at most 63 characters).
PORT_NAME_PATTERN = r"^([0-9]+-)*[0-9]*[a-z](-?[a-z0-9])*$"
APP_PROTOCOL_PATTERN = r"^([a-z0-9]([-.a-z0-9]*[a-z0-9])?/)?[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?$"
# As `crd` writes the words of `Scale`, which msgspec sorts.
SCALE_PATTERN = r"^(Full|Proportional)$"
WORD_PATTERN = r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"

PATTERN_MESSAGES = {
    DURATION_PATTERN: "must be a duration such as 30s, 5m or 1h30m",
    PERCENT_PATTERN: 'must be a percentage such as 99 or "99.95"',
    TOLERANCE_PATTERN: 'must be a percentage such as 20 or "12.5"',
    LIMIT_PATTERN: 'must be a percentage such as 99 or "99.95", or a duration such as 500ms',
    SERVICE_PATTERN: "must be a Service name: a-z, 0-9 and -, a letter first, no - at the end",
    OBJECT_PATTERN: "must be an object name: a-z, 0-9, - and ., a letter or digit at both ends",
    NAME_PATTERN: "must be a name of a-z, 0-9 and -, a letter or digit at both ends",
    PORT_NAME_PATTERN: "must be a number or a port name: a-z, 0-9, single -, at least one letter, no - at the ends",
    APP_PROTOCOL_PATTERN: "must be a protocol such as http, grpc or kubernetes.io/h2c",
    SCALE_PATTERN: "must be Proportional, Full or a number of replicas",
}

# How server-side apply merges a list: as one value, or item by item.
# Source: Kubernetes, Server-Side Apply, "Merge strategy".
ATOMIC = {"x-kubernetes-list-type": "atomic"}
BY_NAME = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
# As in a Service, so that other protocols can be allowed later.
BY_PORT = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port", "protocol"]}
BY_TYPE = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}

Duration = Annotated[str, Meta(pattern=DURATION_PATTERN, max_length=32)]
ServiceName = Annotated[str, Meta(pattern=SERVICE_PATTERN, min_length=1, max_length=63)]
RootServiceName = Annotated[str, Meta(pattern=SERVICE_PATTERN, min_length=1, max_length=56)]
# Of a Deployment: its pods' names and labels, and those of its copy `<name>-stable`, are made of it.
TargetName = Annotated[str, Meta(pattern=NAME_PATTERN, min_length=1, max_length=56)]
ObjectName = Annotated[str, Meta(pattern=OBJECT_PATTERN, min_length=1, max_length=253)]
MetricName = Annotated[str, Meta(pattern=NAME_PATTERN, min_length=1, max_length=63)]
Weight = Annotated[int, Meta(ge=1, le=100)]
Requests = Annotated[int, Meta(ge=0, le=1_000_000_000)]
# Integers or decimal strings, never floats: 99.9 has no exact binary form, and JSON writers print it differently.
Percent = Annotated[int, Meta(ge=1, le=100)] | Annotated[str, Meta(pattern=PERCENT_PATTERN, max_length=8)]
Tolerance = Annotated[int, Meta(ge=0, le=999)] | Annotated[str, Meta(pattern=TOLERANCE_PATTERN, max_length=8)]
# A percentage beside `min`, a duration beside `max`.
Limit = Annotated[int, Meta(ge=1, le=100)] | Annotated[str, Meta(pattern=LIMIT_PATTERN, max_length=32)]

ApiVersion = Annotated[str, Meta(max_length=317)]
Kind = Annotated[str, Meta(max_length=63)]
PortNumber = Annotated[int, Meta(ge=1, le=65_535)]
PortName = Annotated[str, Meta(pattern=PORT_NAME_PATTERN, min_length=1, max_length=15)]
ServicePortName = Annotated[str, Meta(pattern=NAME_PATTERN, min_length=1, max_length=63)]
AppProtocol = Annotated[str, Meta(pattern=APP_PROTOCOL_PATTERN, min_length=1, max_length=317)]
Replicas = Annotated[int, Meta(ge=1, le=10_000)]
Scale = Literal["Proportional", "Full"] | Annotated[int, Meta(ge=1, le=1000)]

# Of the status. Words are bounded, not enumerated: during an upgrade the definition may be older than the controller,
# and a refused status write would hide everything else that the status says.
MAX_MESSAGE = 32_768
MAX_REVISION = 1024
MAX_TEXT = 256
Count = Annotated[int, Meta(ge=0, le=9_007_199_254_740_991)]
StepNumber = Annotated[int, Meta(ge=0, le=1000)]
Text = Annotated[str, Meta(max_length=MAX_TEXT)]
Revision = Annotated[str, Meta(max_length=MAX_REVISION)]
Message = Annotated[str, Meta(max_length=MAX_MESSAGE)]
Time = Annotated[str, Meta(max_length=64, extra_json_schema={"format": "date-time"})]
Word = Annotated[str, Meta(pattern=WORD_PATTERN, max_length=128)]

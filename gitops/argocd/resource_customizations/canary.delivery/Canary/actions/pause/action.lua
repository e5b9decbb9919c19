-- One command, for one revision: the controller answers it once, by an event.
local os = require("os")
local revision = (obj.status or {}).canaryRevision or ""
obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["canary.delivery/command"] = "pause@" .. revision .. "@" .. os.date("!%Y-%m-%dT%H:%M:%SZ")
return obj

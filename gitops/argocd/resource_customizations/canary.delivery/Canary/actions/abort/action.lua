-- An abort has an annotation of its own, so that no other command can overwrite it.
local os = require("os")
local revision = (obj.status or {}).canaryRevision or ""
obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["canary.delivery/abort"] = revision .. "@" .. os.date("!%Y-%m-%dT%H:%M:%SZ")
return obj

-- Gives the approval that the current step waits for.
local os = require("os")
local status = obj.status or {}
local step = (obj.spec.steps or {})[status.step] or {}
if step.approval == nil then
  error("the current step waits for no approval")
end
obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["canary.delivery/command"] =
  "approve/" .. step.approval .. "@" .. (status.canaryRevision or "") .. "@" .. os.date("!%Y-%m-%dT%H:%M:%SZ")
return obj

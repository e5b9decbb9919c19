-- What may be asked of a Canary now. A command is meant for one revision: without one there is nothing to ask.
local status = obj.status or {}
local revision = status.canaryRevision or ""
local phase = status.phase or ""
local running = phase == "Progressing" or phase == "Promoting"

local waits, paused = false, false
for _, condition in ipairs(status.conditions or {}) do
  if condition.type == "Paused" and condition.status == "True" then
    waits = condition.reason == "WaitingForApproval"
    paused = condition.reason == "Paused" or condition.reason == "ManualWeight"
  end
end

local function action(possible, name, icon)
  return {disabled = not (possible and revision ~= ""), displayName = name, iconClass = "fa fa-fw " .. icon}
end

local actions = {}
actions["approve"] = action(running and waits, "Approve", "fa-check")
actions["promote"] = action(phase == "Progressing", "Next step now", "fa-step-forward")
actions["promote-full"] = action(phase == "Progressing", "To 100 % now", "fa-fast-forward")
actions["pause"] = action(running and not paused, "Pause", "fa-pause")
actions["resume"] = action(running and paused, "Resume", "fa-play")
actions["retry"] = action(phase == "RolledBack", "Retry", "fa-redo")
actions["abort"] = action(running, "Abort", "fa-undo")
return actions

-- Health of a canary.delivery Canary. Needs no Lua library: neither string nor math is there by default.
-- The Canary follows kstatus: Reconciling, Stalled and Paused exist only while they are true.

local function answer(status, message)
  return {status = status, message = message}
end

local status = obj.status
local generation = obj.metadata.generation
if status == nil or status.conditions == nil or status.observedGeneration ~= generation then
  return answer("Progressing", "The controller has not looked at this generation yet")
end

local held = {}
for _, condition in ipairs(status.conditions) do
  if condition.type ~= nil then
    held[condition.type] = condition
  end
end

local function is(name, value)
  return held[name] ~= nil and held[name].status == value
end

local function words(name)
  local text = held[name].message
  if text == nil or text == "" then
    text = held[name].reason or name
  end
  local weight = tonumber(status.canaryWeight)
  if weight ~= nil and weight > 0 then
    return "Canary at " .. weight .. "%: " .. text
  end
  return text
end

if is("Stalled", "True") then
  return answer("Degraded", words("Stalled"))
end
-- A hold for want of metrics ends by itself, so nobody is waited for: it is progress.
if is("Paused", "True") and held.Paused.reason ~= "MetricsHold" then
  return answer("Suspended", words("Paused"))
end
if is("Reconciling", "True") then
  return answer("Progressing", words("Reconciling"))
end
if is("Ready", "True") then
  return answer("Healthy", words("Ready"))
end
if is("Ready", "False") then
  return answer("Degraded", words("Ready"))
end
return answer("Progressing", "The controller has not said yet whether the Canary is ready")

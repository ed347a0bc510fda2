-- SPDX-License-Identifier: Apache-2.0
-- The fields of a bench, one row each: name, what is expected, and a test that gives true, or false and a more exact place.
local fields = {}

local function is(kind) return function(value) return type(value) == kind end end

local function is_scalar(value)
  if type(value) == "string" then return #value <= 200 and not value:find("%z") end
  return type(value) == "boolean" or (type(value) == "number" and value == value and math.abs(value) < math.huge)
end

local function list_of(test)
  return function(value)
    if type(value) ~= "table" then return false end
    for i, item in ipairs(value) do if not test(item) then return false, "[" .. i .. "]", item end end
    for key in pairs(value) do
      if type(key) ~= "number" or key < 1 or key > #value then return false, "[" .. tostring(key) .. "]", value[key] end
    end
    return true
  end
end

local function axis_values(values, where)
  if type(values) ~= "table" or #values == 0 then return false, where .. "[2]", values end
  local seen = {}
  for i, value in ipairs(values) do
    if not is_scalar(value) or seen[tostring(value)] then return false, where .. "[2][" .. i .. "]", value end
    seen[tostring(value)] = true
  end
  return true
end

local function axes(value)
  if type(value) ~= "table" then return false end
  local seen = {}
  for i, axis in ipairs(value) do
    local where = "[" .. i .. "]"
    if type(axis) ~= "table" then return false, where, axis end
    local name = axis[1]
    if type(name) ~= "string" or not name:match("^[%a_][%w_]*$") or seen[name] then return false, where .. "[1]", name end
    seen[name] = true
    local ok, place, found = axis_values(axis[2], where)
    if not ok then return false, place, found end
  end
  for key, axis in pairs(value) do if type(key) ~= "number" then return false, "." .. tostring(key), axis end end
  return true
end

local function either(...)
  local tests = { ... }
  return function(value)
    local ok, place, found
    for _, test in ipairs(tests) do
      ok, place, found = test(value)
      if ok then return true end
    end
    return false, place, found
  end
end

local function run_body(value)
  return type(value) == "function" or (type(value) == "table" and type(value.native) == "cdata")
end

local function ratio(value)
  if type(value) == "string" then value = tonumber((value:match("^([%d%.]+)%%$"))) end
  return type(value) == "number" and value > 0 and value < 1000
end

local function target(value)
  if type(value) ~= "table" then return false end
  for name, limit in pairs(value) do
    local ok = type(limit) == "number" or type(limit) == "string"
    if type(name) ~= "string" or not ok then return false, "." .. tostring(name), limit end
  end
  return true
end

-- The rows of harness/gate/metrics.def.
local gating = { p99 = true, memory = true, cpu = true, instructions = true, instruction_count = true, energy = true, throughput = true }

local function metrics(value)
  if type(value) ~= "table" then return false end
  for name, tolerance in pairs(value) do
    if not gating[name] then return false, "." .. tostring(name), tolerance end
    if not ratio(tolerance) then return false, "." .. name, tolerance end
  end
  return true
end

local base = either(is_scalar, list_of(is_scalar))

local function compare(value)
  return type(value) == "table" and type(value.axis) == "string" and base(value.base)
end

local function word(value)
  return type(value) == "string" or type(value) == "number" or (type(value) == "table" and type(value.artifact) == "string")
end

local named = is "string"
local callable = is "function"

fields.rows = {
  { "name", "a name of letters, digits, '_', '-' and '.'", function(v) return named(v) and v:match("^[%w_][%w_%.%-]*$") ~= nil and #v <= 100 end },
  { "about", "one line of text", named },
  { "axes", "a list of { name, { value, … } }: names and values unlike, values strings, numbers or booleans", axes },
  { "skip", "a function of the parameters that gives a reason or nil", callable },
  { "why", "a function of the parameters that tells how a cell is done (list --why), or nil", callable },
  { "setup", "a function of the parameters that gives the state", callable },
  { "run", "a function (state, n, parameters), tern.run or bench.native(f)", run_body },
  { "check", "a function of the state that gives true, or nil and why not", callable },
  { "work", "a function of the state that gives { ops =, bytes =, items = }", either(callable, is "table") },
  { "observe", "a function of the state that gives { name = number }, called between turns", callable },
  { "teardown", "a function of the state", callable },
  { "tags", "a list of names, or a function of the parameters", either(callable, list_of(named)) },
  { "tolerance", "a ratio like 0.05 or \"5%\", or a function of the parameters", either(callable, ratio) },
  { "metrics", "a table like { memory = \"5%\" } of p99, memory, cpu, instructions, instruction_count, energy or throughput", metrics },
  { "target", "a table like { p99 = \"5ms\", throughput = 1e6, memory = \"50MiB\" }", target },
  { "compare", "{ axis = name, base = value or { value, … } }", compare },
  { "command", "a list of words, each a text or { artifact = name }, or a function of the parameters", either(callable, list_of(word)) },
  { "stream", "{ rate =, requests =, arrivals =, request = }, or a function of the parameters", either(callable, is "table") },
  { "inputs", "a list of file names, or a function of the parameters", either(callable, list_of(named)) },
}

local known = {}
for _, row in ipairs(fields.rows) do known[row[1]] = true end

function fields.is_known(name) return known[name] == true end

-- What was found, in few words.
function fields.describe(value)
  if type(value) == "string" then return "'" .. value:sub(1, 60) .. "'" end
  if type(value) == "nil" then return "nothing" end
  if type(value) == "number" or type(value) == "boolean" then return type(value) .. " " .. tostring(value) end
  return "a " .. type(value)
end

local function compare_mistake(bench)
  for _, axis in ipairs(bench.axes or {}) do
    if axis[1] == bench.compare.axis then return nil end  -- a base that this machine lacks is no mistake: nothing is compared
  end
  return { field = "compare.axis", expected = "the name of one of this bench's axes", found = fields.describe(bench.compare.axis) }
end

local function subject_mistake(bench)
  local subjects = {}
  for _, name in ipairs { "run", "command", "stream" } do if bench[name] ~= nil then subjects[#subjects + 1] = name end end
  if #subjects == 1 then return nil end
  return { field = subjects[2] or "run", expected = "exactly one of run, command and stream",
           found = #subjects == 0 and "none" or table.concat(subjects, " and ") }
end

-- Adds every mistake of a bench to `mistakes`: { field =, expected =, found = }.
function fields.check(bench, mistakes)
  local before = #mistakes
  for _, row in ipairs(fields.rows) do
    local name, expected, test = row[1], row[2], row[3]
    if bench[name] ~= nil then
      local ok, place, found = test(bench[name])
      if not ok then
        if place == nil then place, found = "", bench[name] end
        mistakes[#mistakes + 1] = { field = name .. place, expected = expected, found = fields.describe(found) }
      end
    end
  end
  for key in pairs(bench) do
    if not known[key] then
      mistakes[#mistakes + 1] = { field = tostring(key), expected = "a field of a bench (ternmark new shows them)", found = "an unknown name" }
    end
  end
  if #mistakes > before then return end
  mistakes[#mistakes + 1] = subject_mistake(bench)
  if bench.compare then mistakes[#mistakes + 1] = compare_mistake(bench) end
end

return fields

-- SPDX-License-Identifier: Apache-2.0
-- What a suite's code sees: a safe part of the standard library, `require` of bench, tern, ffi and local modules, and no globals of
-- its own. This is for clean suites, not a boundary: the process is the boundary (FFI can reach anything).
local core, host = ...
local sandbox = { sources = {}, order = {}, chunks = {} }

local function copy(from, without)
  local to = {}
  for key, value in pairs(from) do if not without[key] then to[key] = value end end
  return to
end

local safe = {
  assert = assert, error = error, ipairs = ipairs, next = next, pairs = pairs, pcall = pcall, xpcall = xpcall, select = select,
  tonumber = tonumber, tostring = tostring, type = type, unpack = unpack, rawequal = rawequal, rawget = rawget, rawset = rawset,
  setmetatable = setmetatable, getmetatable = getmetatable, collectgarbage = collectgarbage, _VERSION = _VERSION,
  string = copy(string, { dump = true }), table = copy(table, {}), math = copy(math, {}), bit = copy(bit, {}),
  coroutine = copy(coroutine, {}), os = { clock = os.clock, date = os.date, time = os.time, getenv = os.getenv },
  print = function(...) io.stderr:write(table.concat({ ... }, "\t"), "\n") end,
}

function sandbox.is_global(name) return safe[name] ~= nil end

local environment = setmetatable({}, {
  __index = function(_, name)
    local value = safe[name]
    if value == nil then error("there is no global '" .. tostring(name) .. "'", 2) end
    return value
  end,
  __newindex = function(_, name)
    error("field '" .. tostring(name) .. "': expected a local variable, found a write to a global", 2)
  end,
  __metatable = false,
})

local function read(path)
  local file, why = io.open(path, "rb")
  if not file then return nil, why end
  local text = file:read("*a")
  file:close()
  if not text then return nil, path .. ": not a file that can be read" end
  return text
end

-- Loads `path` as text in the suites' environment and remembers its source for the workload hash.
function sandbox.load(path)
  local text, why = read(path)
  if not text then error(why, 0) end
  if #text > 4 * 2^20 then error(path .. ": expected at most 4 MiB of Lua text, found " .. #text .. " bytes", 0) end
  if text:sub(1, 1) == "\27" then error(path .. ":1: expected Lua text, found bytecode", 0) end
  local chunk, wrong = loadstring(text, "@" .. path)
  if not chunk then error(wrong, 0) end
  sandbox.sources[path] = text
  sandbox.order[#sandbox.order + 1] = path
  sandbox.chunks[path] = chunk
  return setfenv(chunk, environment)
end

local loaded = {}
local makers = {
  ffi = function() return require "ffi" end,
  bit = function() return safe.bit end,
  bench = function() return assert(loadstring(core.prelude("bench"), "=bench.lua"))(host) end,
  tern = function() return host.engine() end,
}

local function local_module(name)
  if not name:match("^[%w_]+[%w_%.%-]*$") or name:find("..", 1, true) then
    error("require: expected the name of a module beside the suite, found '" .. name .. "'", 3)
  end
  local path = host.folder .. name:gsub("%.", "/") .. ".lua"
  local ok, chunk = pcall(sandbox.load, path)
  if not ok then error("require '" .. name .. "': " .. tostring(chunk), 3) end
  return function() return chunk(name) end
end

function safe.require(name)
  if type(name) ~= "string" then error("require: expected a module's name, found a " .. type(name), 2) end
  if loaded[name] == nil then
    local make = makers[name] or local_module(name)
    local module = make()
    loaded[name] = module == nil and true or module
  end
  return loaded[name]
end

return sandbox

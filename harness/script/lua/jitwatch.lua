-- SPDX-License-Identifier: Apache-2.0
-- Whether the loop of a Lua body became machine code. LuaJIT reports each trace that it starts, finishes or gives up: a body is
-- compiled when a root trace that began in it closes into a loop, interpreted when traces began and none did, and has no hot
-- loop of its own (the answer is nil) when none began.
local util = require "jit.util"
local watch = { began = {} }
local seen = {}

local function reason(code, detail)
  local ok, vmdef = pcall(require, "jit.vmdef")
  if type(code) == "string" then return code end
  local text = ok and vmdef.traceerr[code] or ("trace error " .. tostring(code))
  local fine, full = pcall(string.format, text, detail)
  return fine and full or text
end

local on = {
  start = function(trace, func) watch.began[trace] = func; if seen[func] then seen[func].started = true end end,
  stop = function(trace)
    local record = seen[watch.began[trace]]
    local info = record and util.traceinfo(trace)
    if info and info.linktype == "loop" then record.compiled = true end
  end,
  flush = function() for _, record in pairs(seen) do record.started, record.compiled = false, false end end,
  abort = function(trace, _, _, code, detail)
    local record = seen[watch.began[trace]]
    if record then record.why = reason(code, detail) end
  end,
}

jit.attach(function(what, ...) if on[what] then on[what](...) end end, "trace")

-- Begins to watch a function; one that is watched keeps what is known of it, since its traces stay for the next cell.
function watch.add(func) seen[func] = seen[func] or { started = false, compiled = false } end

-- compiled (true, false or nil where it has no hot loop), and why it is interpreted.
function watch.result(func)
  local record = seen[func]
  if not record or not record.started then return nil end
  return record.compiled, not record.compiled and (record.why or "no loop was closed") or nil
end

return watch

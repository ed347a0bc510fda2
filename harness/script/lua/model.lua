-- SPDX-License-Identifier: Apache-2.0
-- `ternmark model …`: the actions on model files, over the engine's face. Runs in a worker, which a bad file can take down without
-- harm. Gets a request of plain data, gives { text = } or { problem =, status = } (the status is the engine's own number).
local host = ...
local ffi = require "ffi"

local actions = {}

local function words(params)
  local names = {}
  for name in pairs(params) do names[#names + 1] = name end
  table.sort(names)
  local array, kept = ffi.new("struct tern_param[?]", #names + 1), {}
  for i, name in ipairs(names) do
    kept[i] = tostring(params[name])
    array[i - 1].name, array[i - 1].value = name, kept[i]
  end
  return array, #names, { names, kept }
end

-- Calls f(…, error); an error object of the engine is thrown as { problem =, status = }.
local function call(f, ...)
  local failure = ffi.new "struct tern_error"
  local n = select("#", ...) -- an argument may be nil
  local arguments = { ... }
  arguments[n + 1] = failure
  local status = f(unpack(arguments, 1, n + 1))
  if status ~= 0 then error({ problem = ffi.string(failure.text), status = tonumber(status) }, 0) end
end

local function open(lib, request)
  local out = ffi.new "struct tern_runner *[1]"
  local params, n, keep = words(request.params)
  call(lib.tern_runner_open, request.file, params, n, out)
  assert(keep)
  return ffi.gc(out[0], lib.tern_runner_close)
end

local function tokens_of(request)
  local tokens = ffi.new("uint32_t[?]", #request.tokens)
  for i, token in ipairs(request.tokens) do tokens[i - 1] = token end
  return tokens, #request.tokens
end

-- What an explaining function of the engine writes about the runner.
local function explanation(explain, runner)
  local text = ffi.new("char[?]", 4096)
  explain(runner, text, 4096)
  return ffi.string(text)
end

local function text_of(lib, f, file)
  local out = ffi.new "char *[1]"
  call(f, file, out)
  local text = ffi.string(out[0])
  lib.tern_text_free(out[0])
  return text
end

function actions.make(lib, request)
  local params, n, keep = words(request.params)
  call(lib.tern_model_make, request.file, params, n)
  assert(keep)
  return ""
end

function actions.inspect(lib, request) return text_of(lib, lib.tern_model_inspect, request.file) end
function actions.check(lib, request) return text_of(lib, lib.tern_model_check, request.file) end

function actions.levels(lib)
  return explanation(function(_, text, size) return lib.tern_model_levels(text, size) end)
end

function actions.logits(lib, request)
  local runner = open(lib, request)
  local tokens, n = tokens_of(request)
  call(lib.tern_runner_write_logits, runner, tokens, n, request.out)
  return "", explanation(lib.tern_runner_explain, runner) .. explanation(lib.tern_runner_times, runner)
end

function actions.generate(lib, request)
  local runner = open(lib, request)
  local tokens, n = tokens_of(request)
  call(lib.tern_runner_feed, runner, tokens, n, 0, nil)
  local prompt = explanation(lib.tern_runner_times, runner)
  local made, ids = ffi.new("uint32_t[?]", math.max(request.n, 1)), {}
  call(lib.tern_runner_greedy, runner, request.n, made)
  for i = 1, request.n do ids[i] = tostring(made[i - 1]) end
  local told = explanation(lib.tern_runner_explain, runner) .. "the prompt: " .. prompt
  local later = explanation(lib.tern_runner_times, runner)
  return table.concat(ids, ",") .. "\n", told .. (later ~= "" and "what followed: " .. later or "")
end

return function(request)
  local lib = host.engine().lib
  local ok, text, explained = pcall(actions[request.action], lib, request)
  lib.tern_quiesce()
  if ok then return { text = text, explained = explained } end
  if type(text) == "table" then return text end
  error(text, 0)
end

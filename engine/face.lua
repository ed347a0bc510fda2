-- SPDX-License-Identifier: Apache-2.0
-- The Lua face of libtern: a module that is loaded with the path of the library it belongs to. The declarations above this
-- line are the preprocessed text of tern.h.
local ffi = require "ffi"
local lib = ffi.load((assert((...), "the face of libtern is loaded with the path of its library")))
local tern = { lib = lib }

if lib.tern_abi() ~= lib.TERN_ABI then
  error(("libtern has interface %d, its declarations have %d"):format(lib.tern_abi(), tonumber(lib.TERN_ABI)))
end

local function list(call)
  local names, n, failure = ffi.new "const char *const *[1]", ffi.new "size_t[1]", ffi.new "struct tern_error"
  local status = call(names, n, failure)
  if status ~= nil and status ~= lib.TERN_OK then error(ffi.string(failure.text), 3) end
  local all = {}
  for i = 0, tonumber(n[0]) - 1 do all[i + 1] = ffi.string(names[0][i]) end
  return all
end

-- Names of the backends that this CPU can run, weakest first.
function tern.backends() return list(function(names, n, failure) return lib.tern_backends(names, n, failure) end) end

-- Names of the operations.
function tern.ops() return list(function(names, n) lib.tern_ops(names, n) end) end

-- CPUs that this process may run on.
function tern.threads() return lib.tern_threads() end

local function text(value)
  if type(value) == "number" then return ("%.14g"):format(value) end
  return tostring(value)
end

-- A flat table as an array of struct tern_param, its length, and what must outlive its use.
local function param_array(params)
  local names = {}
  for name in pairs(params or {}) do names[#names + 1] = name end
  table.sort(names)
  local array, keep = ffi.new("struct tern_param[?]", #names + 1), {}
  for i, name in ipairs(names) do
    keep[i] = text(params[name])
    array[i - 1].name, array[i - 1].value = name, keep[i]
  end
  return array, #names, { names, keep }
end

-- An operation with its inputs. `params` is a flat table; a name that the operation does not have is an error.
function tern.bind(op, params)
  local array, n, keep = param_array(params)
  local out, failure = ffi.new "struct tern_op *[1]", ffi.new "struct tern_error"
  if lib.tern_op_bind(op, array, n, out, failure) ~= lib.TERN_OK then error(ffi.string(failure.text), 2) end
  assert(keep) -- a use after the call: the strings are not collected before it
  return ffi.gc(out[0], lib.tern_op_close)
end

-- Which kernel, storage and threads a bind would choose and why, with nothing bound; or nil and why that is not known.
function tern.explain(op, params)
  local array, n, keep = param_array(params)
  local room, failure = ffi.new "char[256]", ffi.new "struct tern_error"
  local status = lib.tern_op_explain(op, array, n, room, 256, failure)
  assert(keep) -- a use after the call: the strings are not collected before it
  if status ~= lib.TERN_OK then return nil, ffi.string(failure.text) end
  return ffi.string(room)
end

-- What an operation tells besides its time, as a bench's `observe`: { hit_share = 0.97, … }.
function tern.observe(op)
  local all, numbers = ffi.new "struct tern_observed[16]", {}
  for i = 0, math.min(16, tonumber(lib.tern_op_observe(op, all, 16))) - 1 do numbers[ffi.string(all[i].name)] = all[i].value end
  return numbers
end

-- Memory nodes and processors that so many threads would run on, in words.
function tern.placement(threads)
  local room = ffi.new "char[256]"
  lib.tern_placement(threads, room, 256)
  return ffi.string(room)
end

-- A native body: the harness calls it in a loop from C and parks the engine's threads after each turn; where the work was done by a
-- device, `elapsed` gives its own time.
tern.run = {
  native = ffi.cast("void (*)(void *, uint64_t)", lib.tern_op_run),
  park = ffi.cast("void (*)(void)", lib.tern_quiesce),
  elapsed = ffi.cast("double (*)(void *)", lib.tern_op_elapsed_ns),
}

-- The card: a table { name, count, major, minor, … }, or nil and why there is none to use.
function tern.gpu()
  local card, failure = ffi.new "struct tern_gpu", ffi.new "struct tern_error"
  if lib.tern_gpu(card, failure) ~= lib.TERN_OK then return nil, ffi.string(failure.text) end
  return {
    name = ffi.string(card.name), count = card.count, major = card.major, minor = card.minor, multiprocessors = card.multiprocessors,
    driver = card.driver, memory_bytes = card.memory_bytes, l2_bytes = card.l2_bytes,
  }
end

-- Where the time of one more pass of a gpu_decode or gpu_prefill op goes: a list of launches { name, layer, begin, ready, norm, ends }, in ns
-- from the first one by the card's clock; nil and why not.
function tern.marks(op)
  local room = 4096
  local found, n, failure = ffi.new("struct tern_gpu_mark[?]", room), ffi.new "size_t[1]", ffi.new "struct tern_error"
  if lib.tern_gpu_marks(op, found, room, n, failure) ~= lib.TERN_OK then return nil, ffi.string(failure.text) end
  local marks = {}
  for i = 0, tonumber(n[0]) - 1 do
    local m = found[i]
    marks[i + 1] = { name = ffi.string(m.name), layer = m.layer, begin = m.begin_ns, ready = m.ready_ns, norm = m.norm_ns, ends = m.end_ns }
  end
  return marks
end

-- true, or nil and what is wrong.
function tern.check(op)
  local failure = ffi.new "struct tern_error"
  if lib.tern_op_check(op, failure) == lib.TERN_OK then return true end
  return nil, ffi.string(failure.text)
end

-- Operations, bytes and items of one run; a quantity that does not apply is absent.
function tern.work(op)
  local w = ffi.new "struct tern_work"
  lib.tern_op_work(op, w)
  local function given(v) if v > 0 then return v end end
  return { ops = given(w.ops), bytes = given(w.bytes), items = given(w.items) }
end

-- Latency of the last run's requests at a quantile (0.5, 0.99, …), in ns; nil for operations that serve no requests.
function tern.latency(op, quantile)
  local ns = lib.tern_op_latency(op, quantile)
  if ns >= 0 then return ns end
end

function tern.backend(op) return ffi.string(lib.tern_op_backend(op)) end
function tern.why(op) return ffi.string(lib.tern_op_why(op)) end

function tern.close(op)
  ffi.gc(op, nil)
  lib.tern_op_close(op)
end

return tern

-- SPDX-License-Identifier: Apache-2.0
-- What a suite gets from `require "bench"`: values for axes, inputs, artifacts, native bodies. `host` is given by host.lua.
local ffi = require "ffi"
local host = ...
local bench = { seed = host.seed }

local function expect(ok, what, found)
  if not ok then error(what .. ", found " .. (type(found) == "string" and ("'" .. found .. "'") or tostring(found)), 3) end
end

-- 2^k from `low` to `high`, both powers of two: pow2(1, 8) = { 1, 2, 4, 8 }.
function bench.pow2(low, high)
  expect(type(low) == "number" and low > 0, "bench.pow2: expected a positive number first", low)
  expect(type(high) == "number" and high >= low and high < 2^53, "bench.pow2: expected a number from the first one on", high)
  local list, value = {}, low
  while value <= high do list[#list + 1], value = value, value * 2 end
  return list
end

-- low, low + step … up to high.
function bench.range(low, high, step)
  step = step or 1
  expect(type(low) == "number" and type(high) == "number", "bench.range: expected two numbers", high)
  expect(type(step) == "number" and step > 0 and (high - low) / step < 1e6, "bench.range: expected a step above 0", step)
  local list = {}
  for value = low, high, step do list[#list + 1] = value end
  return list
end

-- "2560x6912" → 2560, 6912 (any number of factors).
function bench.dims(text)
  expect(type(text) == "string" and text:match("^%d+[x%d]*$"), "bench.dims: expected sizes like '2560x6912'", text)
  local sizes = {}
  for size in text:gmatch("%d+") do sizes[#sizes + 1] = tonumber(size) end
  return unpack(sizes)
end

-- `n` bytes from `seed` (SplitMix64; Steele, Lea and Flood 2014), as a uint8_t array; padded to whole words behind the end.
function bench.random_bytes(n, seed)
  expect(type(n) == "number" and n >= 0 and n < 2^40, "bench.random_bytes: expected a number of bytes", n)
  local words = math.ceil(n / 8)
  local bytes = ffi.new("uint8_t[?]", words * 8 + 8)
  local out = ffi.cast("uint64_t *", bytes)
  local state = ffi.cast("uint64_t", seed or bench.seed)
  for i = 0, words - 1 do
    state = state + 0x9E3779B97F4A7C15ULL
    local z = state
    z = bit.bxor(z, bit.rshift(z, 30)) * 0xBF58476D1CE4E5B9ULL
    z = bit.bxor(z, bit.rshift(z, 27)) * 0x94D049BB133111EBULL
    out[i] = bit.bxor(z, bit.rshift(z, 31))
  end
  return bytes
end

-- The file of an artifact in this lane.
function bench.artifact(name)
  expect(type(name) == "string", "bench.artifact: expected a name", name)
  return host.artifact(name)
end

-- A file beside the suite.
function bench.file(name)
  expect(type(name) == "string", "bench.file: expected a file name", name)
  return host.folder .. name
end

-- A body that C loops over: `fn` is void (*)(void *state, uint64_t n); `park`, void (*)(void), puts its threads to sleep.
function bench.native(fn, park)
  expect(type(fn) == "cdata", "bench.native: expected a C function void (*)(void *state, uint64_t n)", fn)
  return { native = ffi.cast("void (*)(void *, uint64_t)", fn), park = park and ffi.cast("void (*)(void)", park) or nil }
end

return bench

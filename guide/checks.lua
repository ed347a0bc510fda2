-- SPDX-License-Identifier: Apache-2.0
-- Checks: a fast wrong answer is no answer. `check` runs before the clock; when it fails, the cell is "failed" and no time is kept.
local bench, ffi = require "bench", require "ffi"
ffi.cdef [[
unsigned long compressBound(unsigned long n);
int compress2(uint8_t *out, unsigned long *out_n, const uint8_t *in, unsigned long n, int level);
int uncompress(uint8_t *out, unsigned long *out_n, const uint8_t *in, unsigned long n);
]]
local z = ffi.load "libz.so.1"

local function compress(s, p)
  s.n[0] = s.bound
  return z.compress2(s.packed, s.n, s.input, p.bytes, p.level)
end

return {
  about = "zlib, with what it packed unpacked again",
  axes = { { "level", { 1, 6 } }, { "bytes", { 4096, 65536 } } },
  setup = function(p)
    local bound = tonumber(z.compressBound(p.bytes))
    return { input = bench.random_bytes(p.bytes, 7), packed = ffi.new("uint8_t[?]", bound), back = ffi.new("uint8_t[?]", p.bytes), bound = bound, n = ffi.new "unsigned long[1]" }
  end,
  run = function(s, n, p) for _ = 1, n do compress(s, p) end end,
  check = function(s, p)
    if compress(s, p) ~= 0 then return nil, "compress2 failed" end
    local n = ffi.new("unsigned long[1]", p.bytes)
    if z.uncompress(s.back, n, s.packed, s.n[0]) ~= 0 then return nil, "uncompress failed" end
    return ffi.string(s.back, p.bytes) == ffi.string(s.input, p.bytes), "what came back differs"
  end,
  work = function(_, p) return { bytes = p.bytes } end,
  compare = { axis = "level", base = 6 },
}

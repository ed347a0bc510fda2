-- SPDX-License-Identifier: Apache-2.0
-- Sweep: how does copying scale with size? An axis is a name and its values; every combination of values is a cell.
local bench, ffi = require "bench", require "ffi"
ffi.cdef [[ void *memcpy(void *to, const void *from, size_t n); ]]

return {
  about = "memcpy of the C library",
  axes = { { "bytes", bench.pow2(64, 2^16) } },
  setup = function(p) return { from = bench.random_bytes(p.bytes, 1), to = ffi.new("uint8_t[?]", p.bytes) } end,
  run = function(s, n, p) for _ = 1, n do ffi.C.memcpy(s.to, s.from, p.bytes) end end,
  check = function(s, p) ffi.C.memcpy(s.to, s.from, p.bytes); return ffi.string(s.to, p.bytes) == ffi.string(s.from, p.bytes), "the copy differs" end,
  work = function(_, p) return { bytes = 2 * p.bytes } end,  -- read and written
}

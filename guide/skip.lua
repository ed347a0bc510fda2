-- SPDX-License-Identifier: Apache-2.0
-- Skip: leave cells out and say why. The reason stands in `ternmark list --why` and in the report; a skipped cell is not a missing one.
local bench, ffi = require "bench", require "ffi"
ffi.cdef [[ void *memset(void *to, int byte, size_t n); ]]

return {
  about = "filling memory, where the two axes don't all go together",
  axes = { { "bytes", bench.pow2(1024, 2^14) }, { "value", { 0, 255 } } },
  skip = function(p) if p.value == 255 and p.bytes > 4096 then return "the value makes no difference above 4 KiB" end end,
  setup = function(p) return ffi.new("uint8_t[?]", p.bytes) end,
  run = function(to, n, p) for _ = 1, n do ffi.C.memset(to, p.value, p.bytes) end end,
  work = function(_, p) return { bytes = p.bytes } end,
}

-- SPDX-License-Identifier: Apache-2.0
-- How fast is this machine just now? The harness's own fixed loops; runs of other days are compared after taking their drift off.
local bench, ffi = require "bench", require "ffi"
ffi.cdef [[ void yardstick_compute(void *state, uint64_t n); void yardstick_read(void *state, uint64_t n); ]]

local function buffer(kib)
  local words = ffi.new("uint64_t[?]", kib * 128)
  for i = 1, kib * 128 - 1 do words[i] = i end
  words[0] = kib * 128
  return words
end

return {
  compute = {
    about = "a chain of dependent multiplications: clock and core",
    setup = function() return buffer(1) end,
    run = bench.native(ffi.C.yardstick_compute), work = { ops = 4096 }, tags = { "ci" },
  },
  read = {
    about = "reading a buffer from L2 and from memory",
    axes = { { "kib", { 256, 65536 } } },
    setup = function(p) return buffer(p.kib) end,
    run = bench.native(ffi.C.yardstick_read), work = function(_, p) return { bytes = p.kib * 1024 } end, tags = { "ci" },
  },
}

-- SPDX-License-Identifier: Apache-2.0
-- How fast is a function of a shared library?
local bench, ffi = require "bench", require "ffi"
ffi.cdef [[ size_t strlen(const char *text); ]]
local c = ffi.C  -- or ffi.load(bench.artifact "mylib") for a file that `ternmark gate` builds twice

return {
  about = "one line for reports",
  axes = { { "bytes", bench.pow2(16, 4096) } },
  setup = function(p) return ffi.new("char[?]", p.bytes + 1, ("x"):rep(p.bytes)) end,
  run = function(text, n)
    local sum = 0
    for _ = 1, n do sum = sum + tonumber(c.strlen(text)) end
    return sum
  end,
  check = function(text, p) return c.strlen(text) == p.bytes, "another length" end,
  work = function(_, p) return { bytes = p.bytes } end,
}

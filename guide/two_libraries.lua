-- SPDX-License-Identifier: Apache-2.0
-- Two libraries: the same question to both, as values of one axis. `compare` makes the report state each against the first.
local bench, ffi = require "bench", require "ffi"
ffi.cdef [[
unsigned long crc32(unsigned long crc, const uint8_t *data, unsigned int n);
uint32_t lzma_crc32(const uint8_t *data, size_t n, uint32_t crc);
]]
local zlib, lzma = ffi.load "libz.so.1", ffi.load "liblzma.so.5"

local crc_of = {
  zlib = function(data, n) return tonumber(zlib.crc32(0, data, n)) end,
  lzma = function(data, n) return tonumber(lzma.lzma_crc32(data, n, 0)) end,
}

return {
  about = "crc32 by zlib and by liblzma",
  axes = { { "library", { "zlib", "lzma" } }, { "bytes", { 1024, 65536 } } },
  setup = function(p) return bench.random_bytes(p.bytes, 3) end,
  run = function(data, n, p)
    local sum, crc = 0, crc_of[p.library]
    for _ = 1, n do sum = sum + crc(data, p.bytes) end
    return sum
  end,
  check = function(data, p) return crc_of.zlib(data, p.bytes) == crc_of.lzma(data, p.bytes), "the two disagree" end,
  work = function(_, p) return { bytes = p.bytes } end,
  compare = { axis = "library", base = "zlib" },
}

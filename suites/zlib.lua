-- SPDX-License-Identifier: Apache-2.0
-- Any shared library through FFI: zlib as the distribution installs it (zlib1g alone, no development package).
local bench, ffi = require "bench", require "ffi"

ffi.cdef [[
unsigned long crc32(unsigned long crc, const uint8_t *data, unsigned int n);
unsigned long adler32(unsigned long adler, const uint8_t *data, unsigned int n);
unsigned long compressBound(unsigned long n);
int compress2(uint8_t *out, unsigned long *out_n, const uint8_t *in, unsigned long n, int level);
int uncompress(uint8_t *out, unsigned long *out_n, const uint8_t *in, unsigned long n);
]]
local z = ffi.load "libz.so.1"  -- keep the namespace: a function taken out of it would be called indirectly

-- Words of a small vocabulary, so that there is something to compress.
local function text_like(n, seed)
  local words = { "ternary ", "weights ", "are ", "minus ", "one ", "zero ", "or ", "plus ", "one.\n", "sums ", "stay ", "exact " }
  local random, parts, size = bench.random_bytes(n, seed), {}, 0
  for i = 0, n - 1 do
    local word = words[random[i] % #words + 1]
    parts[#parts + 1], size = word, size + #word
    if size >= n then break end
  end
  local bytes = ffi.new("uint8_t[?]", n)
  ffi.copy(bytes, table.concat(parts), n)
  return bytes
end

local function packed(p)
  local s = { input = text_like(p.bytes, bench.seed), bound = tonumber(z.compressBound(p.bytes)), n = ffi.new "unsigned long[1]" }
  s.output, s.back = ffi.new("uint8_t[?]", s.bound), ffi.new("uint8_t[?]", p.bytes)
  s.n[0] = s.bound
  assert(z.compress2(s.output, s.n, s.input, p.bytes, p.level or 6) == 0, "compress2 failed")
  s.size = tonumber(s.n[0])
  return s
end

local function round_trip(s, p)
  local n = ffi.new("unsigned long[1]", p.bytes)
  if z.uncompress(s.back, n, s.output, s.size) ~= 0 or n[0] ~= p.bytes then return nil, "what was compressed does not come back" end
  return ffi.string(s.back, p.bytes) == ffi.string(s.input, p.bytes), "what comes back is not what was compressed"
end

local function bytes_of(_, p) return { bytes = p.bytes } end

return {
  crc32 = {
    about = "checksum over buffer size",
    axes = { { "bytes", { 64, 4096, 262144 } } },
    setup = function(p) return bench.random_bytes(p.bytes, bench.seed) end,
    run = function(data, n, p)
      local crc = z.crc32(0, nil, 0)  -- feeding the result back keeps the calls from being merged
      for _ = 1, n do crc = z.crc32(crc, data, p.bytes) end
      return crc
    end,
    check = function() return z.crc32(0, ffi.cast("const uint8_t *", "123456789"), 9) == 0xCBF43926, "crc32 of 123456789" end,
    work = bytes_of,
    tags = function(p) return p.bytes == 4096 and { "ci" } or {} end,
  },
  compress = {
    about = "compression over level",
    axes = { { "level", { 1, 6, 9 } }, { "bytes", { 4096, 65536 } } },
    setup = packed,
    run = function(s, n, p)
      for _ = 1, n do
        s.n[0] = s.bound
        z.compress2(s.output, s.n, s.input, p.bytes, p.level)
      end
    end,
    check = round_trip,
    work = bytes_of,
    tags = function(p) return p.level == 6 and p.bytes == 65536 and { "ci" } or {} end,
    compare = { axis = "level", base = 6 },
  },
  uncompress = {
    about = "decompression",
    axes = { { "bytes", { 4096, 65536 } } },
    setup = packed,
    run = function(s, n, p)
      for _ = 1, n do
        s.n[0] = p.bytes
        z.uncompress(s.back, s.n, s.output, s.size)
      end
    end,
    check = round_trip,
    work = bytes_of,
  },
}

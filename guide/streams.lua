-- SPDX-License-Identifier: Apache-2.0
-- Streams: how late are answers when requests come by themselves? Arrival times are fixed beforehand, and a request's latency runs from its
-- arrival, waiting included; calling the function in a loop would hide the queue. p50, p95, p99 and p99.9 stand in the result.
local bench, ffi = require "bench", require "ffi"
ffi.cdef [[ unsigned long adler32(unsigned long sum, const uint8_t *data, unsigned int n); ]]
local z = ffi.load "libz.so.1"
local bytes = 65536

return {
  about = "checksums of 64 KiB, asked for at random times",
  axes = { { "rate", { 500, 5000 } } },  -- requests a second
  setup = function() return bench.random_bytes(bytes, bench.seed) end,
  stream = function(p)
    return {
      rate = p.rate,
      requests = 200,
      arrivals = "poisson",  -- or "even"
      request = function(data, n)  -- one request; n is 1
        local sum = 0
        for _ = 1, n do sum = sum + tonumber(z.adler32(1, data, bytes)) end
        return sum
      end,
    }
  end,
  check = function(data) return tonumber(z.adler32(1, data, bytes)) == tonumber(z.adler32(z.adler32(1, data, 1000), data + 1000, bytes - 1000)), "in two parts it is another sum" end,
  work = { bytes = bytes },
  target = { p99 = "50ms" },
}

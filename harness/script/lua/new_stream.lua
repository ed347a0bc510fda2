-- SPDX-License-Identifier: Apache-2.0
-- How long do requests take that arrive at random, waiting included?
local bench = require "bench"

return {
  about = "one line for reports",
  axes = { { "load", { 0.3, 0.7 } } },  -- share of what one worker could serve
  setup = function() return bench.random_bytes(4096, bench.seed) end,
  -- Arrival times are fixed beforehand from the seed; latency runs from a request's arrival. p50, p95, p99 and p99.9 follow.
  stream = function(p)
    return {
      rate = 20000 * p.load,   -- requests a second
      requests = 500,
      arrivals = "poisson",    -- or "even"
      request = function(bytes, n)  -- one request (n is 1), or bench.native(f), or tern.run
        local sum = 0
        for _ = 1, n do
          for i = 0, 4095 do sum = sum + bytes[i] end
        end
        return sum
      end,
    }
  end,
  target = { p99 = "50ms" },
}

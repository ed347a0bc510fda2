-- SPDX-License-Identifier: Apache-2.0
-- Streams of single inferences (one row through a 768 x 768 layer): modes, presets and load. One run is 2,000 requests.
local tern = require "tern"

local function bind(p)
  return tern.bind("stream", { mode = p.mode or "timed", preset = p.preset, load = p.load or 0.5, requests = 2000 })
end

-- The targets of the small request under half load: P95 below 2 ms and P99 below 5 ms, waiting included.
local function check_latency(op)
  local ok, why = tern.check(op)
  if not ok then return nil, why end
  local p95, p99 = tern.latency(op, 0.95), tern.latency(op, 0.99)
  if p95 < 2e6 and p99 < 5e6 then return true end
  return nil, ("P95 %.3f ms, P99 %.3f ms; wanted below 2 and 5 ms"):format(p95 / 1e6, p99 / 1e6)
end

return {
  throughput = {
    about = "2,000 requests as fast as they go",
    axes = { { "mode", { "sequential", "parallel" } }, { "preset", { "high_throughput", "low_latency" } } },
    setup = bind, run = tern.run, check = tern.check, work = tern.work, teardown = tern.close,
    tags = function(p) return p.preset == "high_throughput" and { "ci" } or {} end,
    compare = { axis = "mode", base = "sequential" },
  },
  timed = {
    about = "2,000 requests at times fixed beforehand, as a share of what one worker serves alone",
    axes = { { "load", { 0.2, 0.5, 0.8 } }, { "preset", { "high_throughput", "low_latency" } } },
    setup = bind, run = tern.run, check = tern.check, work = tern.work, teardown = tern.close,
  },
  latency = {
    about = "half load, ordered, small batches: a cell that fails when its latency targets do",
    setup = function() return bind { preset = "low_latency" } end,
    run = tern.run, check = check_latency, work = tern.work, teardown = tern.close,
  },
}

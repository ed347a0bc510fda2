-- SPDX-License-Identifier: Apache-2.0
-- What do small, medium and large models give over batch and backend? One run is one token of each sequence.
local tern = require "tern"

-- A commit is judged by the small model on the strongest backend, at the batches at both ends.
local function is_ci(p)
  local names = tern.backends()
  return p.model == "small" and p.backend == names[#names] and (p.batch == 1 or p.batch == 8)
end

local function bind(p) return tern.bind("decode", { model = p.model or "small", batch = p.batch or 1, backend = p.backend, context = 16 }) end

return {
  pass = {
    about = "a whole forward pass, one token of each sequence, 16 positions behind each",
    axes = {
      { "model", { "small", "medium", "large" } },
      { "batch", { 1, 8, 16, 32, 64, 128 } },
      { "backend", tern.backends() },
    },
    skip = function(p)
      if p.backend == "scalar" and (p.model ~= "small" or p.batch > 8) then return "scalar would take minutes" end
      if p.backend == "sse41" and p.model == "large" and p.batch >= 32 then return "sse41 would take minutes" end
      if p.model == "large" and p.batch == 128 then return "1.8 GB of keys and values and 0.9 GB of weights are more than the pool gets of a worker's 4 GiB" end
    end,
    setup = bind, run = tern.run, check = tern.check, work = tern.work, teardown = tern.close,
    tags = function(p) return is_ci(p) and { "ci" } or {} end,
    compare = { axis = "backend", base = "scalar" },
  },
  floor = {
    about = "one token of the small model, against reading as many bytes over and over, as far ahead as is fastest here: what the cache level that holds them gives",
    axes = { { "what", { "pass", "read" } } },
    setup = function(p)
      local pass = bind {}
      if p.what == "pass" then return pass end
      local bytes = tern.work(pass).bytes
      tern.close(pass)
      return tern.bind("read", { bytes = bytes, ahead = "auto", threads = tern.threads() })
    end,
    run = tern.run, check = tern.check, work = tern.work, teardown = tern.close,
    compare = { axis = "what", base = "read" },
  },
  latency = {
    about = "one token of the small model on the strongest backend, against the project's targets",
    setup = bind, run = tern.run, check = tern.check, work = tern.work, teardown = tern.close,
    target = { p95 = "2ms", p99 = "5ms" },
  },
}

-- SPDX-License-Identifier: Apache-2.0
-- What question does this suite answer?
local tern = require "tern"

return {
  about = "one line for reports",
  -- Every combination of values is a cell; its id is suite/bench/axis=value/…
  axes = {
    { "backend", tern.backends() },           -- those that this processor can run
    { "batch", { 1, 8, 32 } },
    { "shape", { "768x768", "2560x2560" } },  -- outputs x inputs
  },
  -- A reason to leave a cell out, or nil.
  skip = function(p) if p.backend == "scalar" and p.batch > 8 then return "takes long, tells little" end end,
  setup = function(p) return tern.bind("bitlinear", p) end,  -- the state, made before any clock runs
  run = tern.run,      -- a native body: called in a loop from C
  check = tern.check,  -- before timing; a wrong result stores no time
  work = tern.work,    -- { ops =, bytes =, items = } of one iteration
  teardown = tern.close,
  tags = { "ci" },     -- measured by `ternmark gate`
  compare = { axis = "backend", base = "scalar" },
}

-- SPDX-License-Identifier: Apache-2.0
-- How many times faster than plain C is each instruction set, on one thread?
local tern = require "tern"

return {
  about = "one layer on one thread, against scalar",
  axes = { { "backend", tern.backends() }, { "batch", { 1, 8 } }, { "shape", { "768x768", "2560x2560" } } },
  setup = function(p) return tern.bind("bitlinear", { backend = p.backend, batch = p.batch, shape = p.shape, threads = 1 }) end,
  run = tern.run, check = tern.check, work = tern.work, teardown = tern.close,
  compare = { axis = "backend", base = "scalar" },
}

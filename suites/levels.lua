-- SPDX-License-Identifier: Apache-2.0
-- What does each optimisation level buy? `ternmark model generate --verbose` prints what a level turns on.
local tern = require "tern"

return {
  about = "one token of each sequence of the small model, by optimisation level",
  axes = { { "level", { "none", "basic", "aggressive" } }, { "batch", { 1, 8, 64 } } },
  setup = function(p) return tern.bind("decode", { model = "small", level = p.level, batch = p.batch, context = 16 }) end,
  run = tern.run, check = tern.check, work = tern.work, teardown = tern.close,
  compare = { axis = "level", base = "none" },
}

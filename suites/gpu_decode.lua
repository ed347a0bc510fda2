-- SPDX-License-Identifier: Apache-2.0
-- How many tokens a second does the card decode, one sequence, the whole step in one graph?
local tern = require "tern"
local gpu, why = tern.gpu()

return {
  about = "a decode step of a seeded model of the 2B-4T shape on the card, batch 1",
  axes = { { "model", { "2b4t" } }, { "cache", { "f16", "i8" } }, { "context", { 512, 2048 } } },
  skip = function() if not gpu then return why end end,
  setup = function(p) return tern.bind("gpu_decode", p) end,
  tags = function(p) return p.context == 512 and p.cache == "f16" and { "ci" } or {} end,
  run = tern.run, check = tern.check, work = tern.work, teardown = tern.close,
}

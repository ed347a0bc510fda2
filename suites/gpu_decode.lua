-- SPDX-License-Identifier: Apache-2.0
-- How many tokens a second does the card decode, the whole step in one graph: one sequence, and several whose steps read the weights once?
local tern = require "tern"
local gpu, why = tern.gpu()

return {
  about = "a decode step of a seeded model on the card: of the 2B-4T shape, and of one so small that its launches are all that it costs",
  axes = { { "model", { "tiny", "2b4t" } }, { "cache", { "f16", "i8" } }, { "context", { 512, 2048 } }, { "sequences", { 1, 8, 32 } } },
  skip = function(p)
    if not gpu then return why end
    if p.model == "tiny" and (p.sequences > 1 or p.cache == "i8" or p.context > 512) then return "what a step costs besides its weights is seen in one cell" end
    if p.sequences > 1 and (p.cache == "i8" or p.context > 512) then return "several sequences are measured at 512 positions in f16" end
  end,
  setup = function(p) return tern.bind("gpu_decode", p) end,
  tags = function(p) return p.model == "2b4t" and p.context == 512 and p.cache == "f16" and p.sequences == 1 and { "ci" } or {} end,
  run = tern.run, check = tern.check, work = tern.work, teardown = tern.close,
}

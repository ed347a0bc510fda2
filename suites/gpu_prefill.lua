-- SPDX-License-Identifier: Apache-2.0
-- How many tokens a second of a prompt does the card take in, the whole model, one sequence?
local tern = require "tern"
local gpu, why = tern.gpu()

return {
  about = "a prompt through a seeded model on the card, logits of its last token: of the 2B-4T shape, and of one so small that its launches are all that it costs",
  axes = { { "model", { "tiny", "2b4t" } }, { "cache", { "f16", "i8" } }, { "tokens", { 128, 512, 2048 } } },
  skip = function(p)
    if not gpu then return why end
    if p.model == "tiny" and (p.cache == "i8" or p.tokens ~= 512) then return "what a prompt costs besides its products is seen in one cell" end
    if p.cache == "i8" and p.tokens == 128 then return "too short a prompt for its cache to matter" end
  end,
  setup = function(p) return tern.bind("gpu_prefill", p) end,
  run = tern.run, check = tern.check, work = tern.work, teardown = tern.close,
}

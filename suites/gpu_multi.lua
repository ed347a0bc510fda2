-- SPDX-License-Identifier: Apache-2.0
-- What do several cards bring? Replicas answer requests of their own; split, one model lies over all cards and NCCL gathers its parts.
local tern = require "tern"
local gpu, why = tern.gpu()

return {
  about = "requests to a seeded model of the 2B-4T shape on one card and on several",
  axes = { { "way", { "replicas", "split" } }, { "cards", { 1, 2, 4, 8 } }, { "each", { 1, 2 } } },
  skip = function(p)
    if not gpu then return why end
    if p.cards > gpu.count then return ("the driver sees %d of %d cards"):format(gpu.count, p.cards) end
    if p.way == "split" and p.each > 1 then return "a model over all cards is there once" end
    if p.way == "split" and p.cards == 1 then return "nothing to split over" end
  end,
  setup = function(p) return tern.bind("gpu_multi", { way = p.way, cards = p.cards, each = p.each }) end,
  run = tern.run, check = tern.check, work = tern.work, teardown = tern.close,
  compare = { axis = "cards", base = 1 },
}

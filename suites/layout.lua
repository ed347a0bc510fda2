-- SPDX-License-Identifier: Apache-2.0
-- How should a tensor lie for the one who reads it? Every layout under every reader, and what bind would choose (auto; --why says on which
-- figures). Items are rows, or slices of rows for the strided reader.
local tern = require "tern"

-- Rows of 2600 bytes: an embedding's, 2560 weights of 8 bits with their scales. In L2, in L3, beyond it.
local footprint = { l2 = 256, l3 = 4096, memory = 131072 }

return {
  about = "rows of 2600 bytes: all in order, a slice of 128 bytes of each, or some at random",
  axes = {
    { "reader", { "sequential", "strided", "random" } },
    { "from", { "l2", "l3", "memory" } },
    { "layout", { "rows", "prefetch", "blocked", "packed", "auto" } },
  },
  setup = function(p) return tern.bind("layout", { reader = p.reader, layout = p.layout, rows = footprint[p.from] }) end,
  why = function(p) return tern.explain("layout", { reader = p.reader, layout = p.layout, rows = footprint[p.from] }) end,
  run = tern.run, check = tern.check, work = tern.work, teardown = tern.close,
  tags = function(p) return p.from == "l3" and p.layout == "auto" and { "ci" } or {} end,
  compare = { axis = "layout", base = "rows" },
}

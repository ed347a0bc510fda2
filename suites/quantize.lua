-- SPDX-License-Identifier: Apache-2.0
-- How fast are activations turned into int8?
local tern = require "tern"
local names = tern.backends()

return {
  about = "activation quantisation: absmax int8 per row",
  axes = { { "backend", names }, { "batch", { 1, 32 } }, { "k", { 768, 2560, 6912 } } },
  setup = function(p) return tern.bind("quantize", p) end,
  run = tern.run, check = tern.check, work = tern.work, teardown = tern.close,
  tags = function(p) return p.backend == names[#names] and p.k == 2560 and p.batch == 32 and { "ci" } or {} end,
  compare = { axis = "backend", base = "scalar" },
}

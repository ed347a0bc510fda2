-- SPDX-License-Identifier: Apache-2.0
-- Inferences a second of one 768 to 768 ternary layer: quantisation, product and scaling, one call after the other on all CPUs.
local tern = require "tern"

return {
  about = "one inference = activation quantisation and one ternary layer, [batch, 768] to [batch, 768]",
  axes = { { "batch", { 1, 4, 8, 16, 32 } } },
  why = function(p) return tern.explain("bitlinear", { shape = "768x768", batch = p.batch }) end,
  setup = function(p) return tern.bind("bitlinear", { shape = "768x768", batch = p.batch }) end,
  run = tern.run, check = tern.check, work = tern.work, teardown = tern.close,
}

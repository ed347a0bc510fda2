-- SPDX-License-Identifier: Apache-2.0
-- What do the other operations of a layer cost, and what does fusing them with quantisation save?
local tern = require "tern"
local names = tern.backends()
local strongest = names[#names]

local function ends(t)
  t.run, t.check, t.work, t.teardown = tern.run, tern.check, tern.work, tern.close
  return t
end

return {
  rows = ends {
    about = "operations on rows of values",
    axes = { { "op", { "rms_norm", "gate", "add", "softmax" } }, { "backend", names }, { "n", { 768, 2560, 6912 } } },
    setup = function(p) return tern.bind(p.op, { backend = p.backend, n = p.n }) end,
    tags = function(p) return p.backend == strongest and p.n == 2560 and (p.op == "rms_norm" or p.op == "gate") and { "ci" } or {} end,
    compare = { axis = "backend", base = "scalar" },
  },
  rope = ends {
    about = "rotary position of one head of 128",
    axes = { { "backend", names } },
    setup = function(p) return tern.bind("rope", { backend = p.backend, n = 128 }) end,
    compare = { axis = "backend", base = "scalar" },
  },
  fusion = ends {
    about = "norm or gate, then quantisation: in one pass or two",
    axes = { { "op", { "rms_norm_quantize", "gate_quantize" } }, { "fused", { 0, 1 } }, { "n", { 2560, 6912 } }, { "batch", { 1, 128 } } },
    setup = function(p) return tern.bind(p.op, { fused = p.fused, n = p.n, batch = p.batch }) end,
    compare = { axis = "fused", base = 0 },
  },
  attention = ends {
    about = "20 heads on 5, 128 wide: one new token or a prompt",
    axes = { { "type", { "f32", "f16", "int8" } }, { "tokens", { 1, 64 } }, { "context", { 512, 4096 } } },
    setup = function(p) return tern.bind("attention", p) end,
    tags = function(p) return p.type == "f16" and p.tokens == 1 and p.context == 512 and { "ci" } or {} end,
  },
  tables = ends {
    about = "logits over a vocabulary, embedding look-up",
    axes = { { "op", { "logits", "embedding" } }, { "type", { "f16", "int8" } } },
    setup = function(p) return tern.bind(p.op, { type = p.type, vocabulary = 32768 }) end,
  },
}

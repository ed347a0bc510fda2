-- SPDX-License-Identifier: Apache-2.0
-- Where does the time of a layer go? Its stages by themselves, on one thread, beside the whole call on one and two: reports/where draws them.
local tern = require "tern"
local strongest = tern.backends()[#tern.backends()]

-- What each stage is bound to: quantisation of the rows, the integer product, the whole of it.
local stages = {
  quantise = function(p) return tern.bind("quantize", { k = tonumber(p.shape:match("x(%d+)")), batch = p.batch }) end,
  product = function(p) return tern.bind("matmul", { shape = p.shape, batch = p.batch, threads = 1 }) end,
  call = function(p) return tern.bind("bitlinear", { shape = p.shape, batch = p.batch, threads = 1 }) end,
  ["call-2"] = function(p) return tern.bind("bitlinear", { shape = p.shape, batch = p.batch, threads = 2 }) end,
  cold = function(p) return tern.bind("bitlinear", { shape = p.shape, batch = p.batch, threads = 2, cold = 1 }) end,
}

return {
  about = "quantisation, integer product, the whole call on " .. strongest,
  axes = {
    { "shape", { "768x768", "2560x2560", "6912x2560", "4096x14336" } },
    { "batch", { 1, 8, 32, 128 } },
    { "stage", { "quantise", "product", "call", "call-2", "cold" } },
  },
  skip = function(p)
    if p.stage == "cold" and (p.batch > 1 or p.shape == "768x768") then return "not bound by memory" end
    if p.stage:match "2" and tern.threads() < 2 then return "one CPU" end
    if p.shape == "4096x14336" and p.batch > 8 then return "as 6912x2560" end
  end,
  setup = function(p) return stages[p.stage](p) end,
  run = tern.run, check = tern.check, work = tern.work, teardown = tern.close,
}

-- SPDX-License-Identifier: Apache-2.0
-- How fast is one ternary layer: over backend, batch and shape; over weight formats; with weights that come from memory each time?
local tern = require "tern"
local names = tern.backends()
local strongest = names[#names]

-- The cells that every commit is judged by: the two strongest backends at the model's middle shape, and the small layer.
local function is_ci(p)
  local strong = p.backend == strongest or p.backend == names[math.max(1, #names - 1)]
  if p.shape == "768x768" then return p.backend == strongest and p.batch <= 8 end
  return strong and (p.shape == "2560x2560" and p.batch <= 32 or p.shape == "6912x2560" and p.batch == 1)
end

-- `params` gives a cell's parameters to the engine where they are not its axes as they stand.
local function bench(t)
  local params = t.params or function(p) return p end
  t.params = nil
  t.setup = function(p) return tern.bind("bitlinear", params(p)) end
  t.why = function(p) return tern.explain("bitlinear", params(p)) end
  t.run, t.check, t.work, t.teardown = tern.run, tern.check, tern.work, tern.close
  return t
end

return {
  bitlinear = bench {
    about = "quantisation, ternary product and scaling at the shapes of BitNet b1.58 2B-4T",
    axes = {
      { "backend", names },
      { "batch", { 1, 8, 32, 128, 512 } },
      { "shape", { "2560x2560", "6912x2560", "2560x6912", "768x768", "4096x14336" } },
    },
    skip = function(p)
      if p.backend == "scalar" and p.batch > 32 then return "scalar takes seconds here" end
      if p.shape == "4096x14336" and p.batch == 512 then return "as batch 128" end
    end,
    tags = function(p) return is_ci(p) and { "ci" } or {} end,
    compare = { axis = "backend", base = "scalar" },
  },
  format = bench {
    about = "storage of the weights, hot",
    axes = {
      { "format", { "auto", "int8", "2bit", "base3", "table3" } },
      { "batch", { 1, 8 } },
      { "shape", { "768x768", "2560x2560", "6912x2560" } },
    },
    compare = { axis = "format", base = "2bit" },
  },
  cold = bench {
    about = "weights rotate through more than 600 MB, so that each call fetches them from memory",
    axes = {
      { "format", { "auto", "2bit", "base3", "table3" } },
      { "batch", { 1, 8 } },
      { "shape", { "2560x2560", "6912x2560", "2560x6912", "4096x14336" } },
      { "threads", { 1, 2 } },
    },
    params = function(p) return { format = p.format, batch = p.batch, shape = p.shape, threads = p.threads, cold = 1 } end,
    compare = { axis = "format", base = "2bit" },
  },
  sparse = bench {
    about = "weights of which few are not zero, from memory: bit planes fetch a bit for each and one more for those that are not",
    axes = {
      { "format", { "2bit", "table3", "planes" } },
      { "density", { 0.05, 0.2, 0.5 } },
      { "batch", { 1, 8 } },
    },
    params = function(p) return { format = p.format, density = p.density, batch = p.batch, shape = "4096x14336", cold = 1 } end,
    compare = { axis = "format", base = "2bit" },
  },
}

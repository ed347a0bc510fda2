-- SPDX-License-Identifier: Apache-2.0
-- How fast is one ternary layer, over backend, batch and shape?
local tern = require "tern"

-- The cells that every commit is judged by: the strongest two backends at the model's middle shape, and the small layer.
local function is_ci(p)
  local names = tern.backends()
  local strong = p.backend == names[#names] or p.backend == names[math.max(1, #names - 1)]
  if p.shape == "768x768" then return p.backend == names[#names] and p.batch <= 8 end
  return strong and (p.shape == "2560x2560" and p.batch <= 32 or p.shape == "6912x2560" and p.batch == 1)
end

return {
  about = "quantisation, ternary product and scaling at the shapes of BitNet b1.58 2B-4T",
  axes = {
    { "backend", tern.backends() },
    { "batch", { 1, 8, 32, 128 } },
    { "shape", { "2560x2560", "6912x2560", "2560x6912", "768x768" } },
  },
  setup = function(p) return tern.bind("bitlinear", p) end,
  run = tern.run, check = tern.check, work = tern.work, teardown = tern.close,
  tags = function(p) return is_ci(p) and { "ci" } or {} end,
  compare = { axis = "backend", base = "scalar" },
}

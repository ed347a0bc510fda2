-- SPDX-License-Identifier: Apache-2.0
-- How fast is the ternary product on the card, from 2-bit weights, against cuBLAS from 8 and 16 bits? Weights are cold: they rotate
-- through more than any L2 holds. Times are the card's own, over graph replays. The single-row kernels of microsoft/BitNet take part
-- where TERN_W2A8 names the library that their gpu/bitnet_kernels builds.
local tern = require "tern"
local gpu, why = tern.gpu()

local theirs = { ["2560x2560"] = true, ["3840x2560"] = true, ["13824x2560"] = true, ["2560x6912"] = true, ["20480x3200"] = true }
local single = { ["3840x2560"] = true, ["2560x6912"] = true, ["16384x8192"] = true }

local function find_w2a8()
  local ok, op = pcall(tern.bind, "gpu_rival", { type = "w2a8", shape = "2560x2560", batch = 1 })
  if ok then tern.close(op) end
  return ok
end
local has_w2a8 = gpu and find_w2a8()

return {
  about = "ternary matrix product on the card, int8 activations, against cuBLAS",
  axes = {
    { "by", { "ternary", "int8", "bf16", "w2a8" } },
    { "shape", { "2560x2560", "3840x2560", "13824x2560", "2560x6912", "20480x3200", "8192x8192", "16384x8192" } },
    { "batch", { 1, 8, 16, 32, 64, 128, 512, 2048 } },
  },
  skip = function(p)
    if not gpu then return why end
    if p.by == "int8" and p.batch < 8 then return "cuBLAS takes at least 8 rows of int8" end
    if p.batch > 1 and single[p.shape] then return "a shape of single rows" end
    if p.by == "w2a8" and (p.batch > 1 or not theirs[p.shape]) then return "no kernel of this shape" end
    if p.by == "w2a8" and not has_w2a8 then return "TERN_W2A8 names no library" end
  end,
  setup = function(p)
    if p.by == "ternary" then return tern.bind("matmul", { backend = "cuda", shape = p.shape, batch = p.batch, cold = 1 }) end
    return tern.bind("gpu_rival", { type = p.by, shape = p.shape, batch = p.batch, cold = 1 })
  end,
  run = tern.run, check = tern.check, work = tern.work, teardown = tern.close,
  compare = { axis = "by", base = "int8" },
}

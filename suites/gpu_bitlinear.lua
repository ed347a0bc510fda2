-- SPDX-License-Identifier: Apache-2.0
-- How fast is the ternary product on the card, from 2-bit weights, against cuBLAS from 8 and 16 bits? Cold weights rotate through more
-- than any L2 holds; warm ones are the same again and again. Times are the card's own, over graph replays. The single-row kernels of microsoft/BitNet take part
-- where TERN_W2A8 names the library that their gpu/bitnet_kernels builds.
local tern = require "tern"
local gpu, why = tern.gpu()

local theirs = { ["2560x2560"] = true, ["3840x2560"] = true, ["13824x2560"] = true, ["2560x6912"] = true, ["20480x3200"] = true }
local single = { ["3840x2560"] = true, ["2560x6912"] = true, ["16384x8192"] = true }

local function find_w2a8()
  if not os.getenv "TERN_W2A8" then return false end
  local ok, op = pcall(tern.bind, "gpu_rival", { type = "w2a8", shape = "2560x2560", batch = 1 })
  if ok then tern.close(op) end
  return ok
end

-- Where the cache matters most: a layer that fits into it, at few rows.
local function is_warm_shape(p) return (p.shape == "2560x2560" or p.shape == "13824x2560") and p.batch <= 32 and p.batch ~= 16 end

local has_w2a8 = gpu and find_w2a8()

return {
  about = "ternary matrix product on the card, int8 activations, against cuBLAS",
  axes = {
    { "by", { "ternary", "int8", "bf16", "w2a8" } },
    { "shape", { "2560x2560", "3840x2560", "13824x2560", "2560x6912", "20480x3200", "8192x8192", "16384x8192" } },
    { "batch", { 1, 8, 16, 32, 64, 128, 512, 2048, 8192 } },
    { "state", { "cold", "warm" } },
  },
  skip = function(p)
    if not gpu then return why end
    if p.by == "int8" and p.batch < 8 then return "cuBLAS takes at least 8 rows of int8" end
    if p.batch > 1 and single[p.shape] then return "a shape of single rows" end
    if p.batch == 8192 and p.shape ~= "8192x8192" then return "one shape is enough at this many rows" end
    if p.by == "w2a8" and (p.batch > 1 or not theirs[p.shape]) then return "no kernel of this shape" end
    if p.by == "w2a8" and not has_w2a8 then return "TERN_W2A8 names no library" end
    if p.state == "warm" and not is_warm_shape(p) then return "warm weights are measured where they stay in the cache, at few rows" end
  end,
  setup = function(p)
    if p.by == "ternary" then return tern.bind("matmul", { backend = "cuda", shape = p.shape, batch = p.batch, cold = p.state == "cold" and 1 or 0 }) end
    return tern.bind("gpu_rival", { type = p.by, shape = p.shape, batch = p.batch, cold = p.state == "cold" and 1 or 0 })
  end,
  run = tern.run, check = tern.check, work = tern.work, teardown = tern.close,
  tags = function(p) return p.by == "ternary" and p.shape == "13824x2560" and p.batch == 32 and p.state == "warm" and { "ci" } or {} end,
  compare = { axis = "by", base = "int8" },
}

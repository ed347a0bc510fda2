-- SPDX-License-Identifier: Apache-2.0
-- What is each optimisation of the engine worth? Everything on, and then one thing left out at a time: the report draws how many times
-- slower that is.
local tern = require "tern"
local names, is_here = tern.backends(), {}
for _, name in ipairs(names) do is_here[name] = true end
local strongest = names[#names]

-- The strongest backend of this machine that comes before any of `without` in strength.
local function weaker(without)
  local found
  for _, name in ipairs(names) do
    if without[name] then return found end
    found = name
  end
end

-- What is left out, as parameters that replace those of the whole; nil where this machine has nothing to leave out.
local layer = {
  nothing = function() return {} end,
  tiles = function() return is_here.amx and { backend = weaker { amx = true } } end,
  ["dot-products"] = function()
    local backend = weaker { avxvnni = true, avx512vnni = true, amx = true }
    if is_here.avx512 and strongest ~= "avx512" then backend = "avx512" end
    return strongest ~= backend and backend and { backend = backend }
  end,
  ["wide-registers"] = function() return is_here.avx512 and is_here.avx2 and { backend = "avx2" } end,
  vectors = function() return strongest ~= "scalar" and { backend = "scalar" } end,
  ["2bit-weights"] = function() return { format = "int8" } end,
  ["second-thread"] = function() return { threads = 1 } end,
}
local model = {
  nothing = function() return {} end,
  fusion = function() return { level = "basic" } end,
  plan = function() return { level = "none" } end,
  vectors = function() return strongest ~= "scalar" and { backend = "scalar" } end,
  ["second-thread"] = function() return { threads = 1 } end,
}

local function with(whole, changes)
  local all = {}
  for name, value in pairs(whole) do all[name] = value end
  for name, value in pairs(changes) do all[name] = value end
  return all
end

local function bench(about, rows, axes, bind)
  table.insert(axes, 1, { "without", (function()
    local list = {}
    for name in pairs(rows) do list[#list + 1] = name end
    table.sort(list)
    return list
  end)() })
  return {
    about = about .. "; what is left out: tiles AMX, dot-products VNNI, wide-registers AVX-512, plan every choice at load", axes = axes,
    skip = function(p) if not rows[p.without]() then return "this machine has no such thing to leave out" end end,
    setup = function(p) return bind(p, rows[p.without]()) end,
    run = tern.run, check = tern.check, work = tern.work, teardown = tern.close,
    compare = { axis = "without", base = "nothing" },
  }
end

return {
  layer = bench("one ternary layer of 2560 by 2560", layer, { { "batch", { 1, 32 } } }, function(p, changes)
    return tern.bind("bitlinear", with({ backend = strongest, shape = "2560x2560", batch = p.batch, threads = 2 }, changes))
  end),
  token = bench("one token of the small model", model, {}, function(_, changes)
    return tern.bind("decode", with({ model = "small", level = "aggressive", batch = 1, context = 16, threads = 2 }, changes))
  end),
}

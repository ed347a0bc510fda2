-- SPDX-License-Identifier: Apache-2.0
-- What does each optimisation level and preset buy? `ternmark model levels` prints what they turn on.
local tern = require "tern"

local presets = { optimized_for_speed = { level = "aggressive", batch = 64 }, optimized_for_memory = { level = "none", batch = 8 } }

local function bind(level, batch) return tern.bind("decode", { model = "small", level = level, batch = batch, context = 16 }) end

return {
  level = {
    about = "one token of each sequence of the small model, by optimisation level",
    axes = { { "level", { "none", "basic", "aggressive" } }, { "batch", { 1, 8, 64 } } },
    setup = function(p) return bind(p.level, p.batch) end,
    run = tern.run, check = tern.check, work = tern.work, teardown = tern.close,
    compare = { axis = "level", base = "none" },
  },
  preset = {
    about = "one token of each sequence of the small model, by preset",
    axes = { { "preset", { "optimized_for_speed", "optimized_for_memory" } } },
    setup = function(p) return bind(presets[p.preset].level, presets[p.preset].batch) end,
    run = tern.run, check = tern.check, work = tern.work, teardown = tern.close,
  },
}

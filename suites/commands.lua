-- SPDX-License-Identifier: Apache-2.0
-- Whole processes: what does a program cost from start to end? Time, processor time and peak memory, no shell.
local bench = require "bench"

return {
  start = {
    about = "the least a process costs: start and end of one that does nothing",
    command = { "true" },
    tags = { "ci" },
  },
  gzip = {
    about = "gzip at levels, over this suite's own text",
    axes = { { "level", { 1, 6, 9 } } },
    command = function(p) return { "gzip", "-" .. p.level, "-c", "--", bench.file "commands.lua" } end,
    inputs = { "commands.lua" },
    tags = function(p) return p.level == 6 and { "ci" } or {} end,
    compare = { axis = "level", base = 6 },
  },
}

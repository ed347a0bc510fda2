-- SPDX-License-Identifier: Apache-2.0
-- What does the machine give: products of each instruction set, bytes from each level of memory? The ceilings of the reports' rooflines.
local tern = require "tern"
local names = tern.backends()
local strongest = names[#names]
local threads = { 1, 2 }

-- Footprints of one thread. The last is beyond 1.6 times any last cache on two threads, and what cold cells rotate through.
local levels = { { "l1", 24 * 1024 }, { "l2", 768 * 1024 }, { "l3", 6 * 1024 * 1024 }, { "dram", 384 * 1024 * 1024 } }
local footprint = {}
for i, level in ipairs(levels) do footprint[level[1]], levels[i] = level[2], level[1] end

-- Runs of two threads are so long that their meeting, half a microsecond, does not count; passes over the nearest cache that a call does not.
local passes = { l1 = 1023, l2 = 31, l3 = 5, dram = 1 }
local function steps(p) return p.threads > 1 and 65536 or nil end

local function ends(t)
  t.run, t.check, t.work, t.teardown = tern.run, tern.check, tern.work, tern.close
  return t
end

return {
  peak = ends {
    about = "products with operands in registers, the most that an instruction set can do",
    axes = { { "backend", names }, { "threads", threads } },
    setup = function(p) return tern.bind("peak", { backend = p.backend, threads = p.threads, steps = steps(p) }) end,
    tags = function(p) return p.backend == strongest and p.threads == 1 and { "ci" } or {} end,
  },
  tiles = ends {
    about = "AMX products: two by two tiles with operands loaded anew from a level of cache; weights unpacked for 16, 32 or 64 rows",
    axes = { { "from", { "registers", "l1", "l2", "unpack16", "unpack32", "unpack64" } }, { "threads", threads } },
    skip = function() if strongest ~= "amx" then return "needs AMX" end end,
    setup = function(p) return tern.bind("peak", { backend = "amx", from = p.from, threads = p.threads, steps = steps(p) }) end,
  },
  read = ends {
    about = "reading a level of memory, without and with software prefetch",
    axes = { { "level", levels }, { "ahead", { 0, 512, 1024 } }, { "threads", threads } },
    skip = function(p) if p.level == "l1" and p.ahead > 0 then return "it is in the nearest cache already" end end,
    setup = function(p)
      local is_short = p.threads > 1 or p.level == "l1"
      return tern.bind("read", { bytes = footprint[p.level] * p.threads, ahead = p.ahead, threads = p.threads, passes = is_short and passes[p.level] or nil })
    end,
    tags = function(p) return p.level == "l2" and p.ahead == 0 and p.threads == 1 and { "ci" } or {} end,
  },
  region = ends {
    about = "two threads that come together and do nothing: a region, a barrier, a sleeper woken; after serial work, which is not counted",
    axes = { { "kind", { "team", "team-barrier", "openmp", "openmp-barrier", "condvar" } }, { "idle", { 0, 1000, 20000 } } },
    skip = function(p)
      if tern.threads() < 2 then return "one CPU" end
      if p.kind:match "barrier" and p.idle > 0 then return "the region before it has met already" end
    end,
    setup = function(p) return tern.bind("region", p) end,
  },
  independent = ends {
    about = "the same memory with another loop: a ceiling counts only if no other loop beats it",
    axes = { { "backend", names }, { "level", { "l2", "dram" } } },
    setup = function(p) return tern.bind("read", { backend = p.backend, bytes = footprint[p.level], ahead = 512, threads = 1 }) end,
  },
}

-- SPDX-License-Identifier: Apache-2.0
-- Is the engine's pool faster than the allocators people would use instead, and what does it hold?
local bench, tern, ffi = require "bench", require "tern", require "ffi"
local lib = tern.lib
ffi.cdef [[ void *malloc(size_t); void free(void *); ]]

-- Rivals come through FFI and are called as the pool is. jemalloc wants static TLS, which a running process has little of:
-- GLIBC_TUNABLES=glibc.rtld.optional_static_tls=16384 in the environment lets it in. mimalloc reserves addresses by the GiB and now and then
-- finds none left within the 4 GiB of a worker: --memory-limit 16GiB.
local rivals = {
  glibc = function() return ffi.C end,
  mimalloc = function() return ffi.load "libmimalloc.so.2" end,
  jemalloc = function() return ffi.load "libjemalloc.so.2" end,
  tcmalloc = function() return ffi.load "libtcmalloc_minimal.so.4" end,
}
-- The table of a run and its page state each cell against the fastest of these that was measured.
local against_rivals = { axis = "allocator", base = { "glibc", "mimalloc", "jemalloc", "tcmalloc" } }
local loaded = {}
local function rival(name)
  if loaded[name] == nil then
    local ok, found = pcall(rivals[name])
    loaded[name] = ok and found or { missing = tostring(found) }
  end
  return loaded[name]
end
local function absent(name)
  local found = rivals[name] and rival(name)
  return type(found) == "table" and ("%s cannot be loaded: %s"):format(name, found.missing) or nil
end

local function exercise(p)
  local names = {}
  for name, value in pairs(p) do names[#names + 1] = { name, tostring(value) } end
  local params, out, failure = ffi.new("struct tern_param[?]", #names), ffi.new "struct tern_exercise *[1]", ffi.new "struct tern_error"
  for i, pair in ipairs(names) do params[i - 1].name, params[i - 1].value = pair[1], pair[2] end
  local found = rivals[p.allocator] and rival(p.allocator)
  local take, give = found and found.malloc or nil, found and found.free or nil
  if lib.tern_exercise_open(params, #names, take, give, out, failure) ~= lib.TERN_OK then error(ffi.string(failure.text)) end
  return ffi.gc(out[0], lib.tern_exercise_close)
end

local function check(e)
  local failure = ffi.new "struct tern_error"
  if lib.tern_exercise_check(e, failure) == lib.TERN_OK then return true end
  return nil, ffi.string(failure.text)
end

local function read(e)
  local report = ffi.new "struct tern_exercise_report"
  lib.tern_exercise_read(e, report)
  return report
end

-- Share of takes that gave a block.
local function success(report) return report.takes > 0 and 1 - report.failures / report.takes or 1 end

local function observe_takes(e)
  return { success_share = success(read(e)) }
end

-- Of single calls: percentiles since setup.
local function observe_calls(e)
  local report = read(e)
  return { call_p50_ns = report.p50_ns, call_p99_ns = report.p99_ns, call_p999_ns = report.p999_ns, call_max_ns = report.max_ns,
           success_share = success(report) }
end

-- What is held now and at most: by the pool's own count for the pool, by what is resident for the others, and by that for all.
local function observe_held(e)
  local report = read(e)
  local held = report.pool_held > 0 and report.pool_held or report.resident_bytes
  local live = report.pool_held > 0 and report.pool_live or report.live_bytes
  return { live_bytes = live, held_bytes = held, held_peak_bytes = report.pool_held > 0 and report.pool_held_peak or report.resident_peak,
           resident_peak_bytes = report.resident_peak, fragmentation_share = held > 0 and math.max(0, 1 - live / held) or 0,
           success_share = success(report) }
end

local function close(e)
  ffi.gc(e, nil)
  lib.tern_exercise_close(e)
end

local ranges = { ["16B-64B"] = { 16, 64 }, ["64B-4K"] = { 64, 4096 }, ["4K-64K"] = { 4096, 65536 }, ["64K-1M"] = { 65536, 2^20 },
                 ["1M-64M"] = { 2^20 + 1, 2^26 } }
local allocators = { "glibc", "mimalloc", "jemalloc", "tcmalloc", "pool", "arena", "ring" }

local function skip(p)
  if p.pattern == "cross" and p.threads == 1 then return "one thread has nobody to give to" end
  if p.allocator == "arena" and p.pattern ~= "lifo" then return "an arena is reset, nothing is given" end
  if p.allocator == "ring" and p.pattern ~= "fifo" then return "a ring gives back in order" end
  if p.allocator == "ring" and p.size == "1M-64M" and p.threads == 4 then return "four rings of 440 MB are more than the pool gets of a worker's 4 GiB" end
  return absent(p.allocator)
end

local function of_size(p, more)
  local all = { allocator = p.allocator, pattern = p.pattern, threads = p.threads, low = ranges[p.size][1], high = ranges[p.size][2] }
  for name, value in pairs(more or {}) do all[name] = value end
  return exercise(all)
end

local body = bench.native(lib.tern_exercise_run)

-- Traces that a pool recorded (TERN_POOL_TRACE=FILE) of models made by `model make --like NAME`, opened and fed 7 tokens, 4 more
-- generated; all of it is load, because a forward pass takes no memory.
local function of_trace(p) return exercise { allocator = p.allocator, pattern = "trace", trace = bench.file("memory/trace-" .. p.trace .. ".txt") } end

-- The pool with everything, without its counts, and without its marks.
local variants = { "pool-whole", "pool-uncounted", "pool-unmarked" }

-- Which frames of memory the system gives for a process's pages decides on up to a quarter of the time of these cells: with fresh frames under the
-- same addresses one process went from 6.6 to 7.5 ns at 64B-4K/pair on a Zen 4, and kept that as long as it kept them. So the cells of one thread are
-- nine workloads, each with memory of its own, that take turns, and what a process measures is the mean over nine draws. Processes
-- against a twin that stayed: 64B-4K/random differed by 7.1 %, with draws by 2.8 %, 4K-64K/pair by 7.5 and 4.2 %.
local function of_draws(p)
  local is_drawn = p.threads == 1 and (p.pattern == "pair" or p.pattern == "random") and p.size ~= "1M-64M"
  return of_size(p, is_drawn and { draws = 9 } or nil)
end

-- Then each draw has its blocks.
local function check_draws(e)
  local ok, why = check(e)
  for _ = 1, 9 do lib.tern_exercise_run(e, 1024) end
  return ok, why
end

return {
  throughput = {
    about = "a pair of take and give in each thread, by size, pattern and allocator",
    axes = { { "size", { "16B-64B", "64B-4K", "4K-64K", "64K-1M", "1M-64M" } }, { "pattern", { "pair", "lifo", "fifo", "random", "cross" } },
             { "threads", { 1, 2, 4 } }, { "allocator", allocators } },
    skip = skip, setup = of_draws, run = body, check = check_draws, work = { items = 1 }, teardown = close, observe = observe_takes,
    compare = against_rivals,
    tags = function(p)
      return p.allocator == "pool" and p.threads == 1 and (p.pattern == "random" or p.pattern == "pair") and p.size:match "^[46]" and { "ci" } or {}
    end,
  },
  arena = {
    about = "a piece of an arena, with its share of the reset of 256, not touched",
    axes = { { "size", { "16B-64B", "64B-4K", "4K-64K" } } },
    setup = function(p) return exercise { allocator = "arena", low = ranges[p.size][1], high = ranges[p.size][2], live = 256, touch = "none" } end,
    run = body, check = check, work = { items = 1 }, teardown = close, observe = observe_takes,
  },
  open = {
    about = "a pool opened and closed",
    setup = function() return exercise { pattern = "open" } end,
    run = body, check = check, work = { items = 1 }, teardown = close, observe = observe_takes,
    target = { time = "100us" },
  },
  calls = {
    about = "single takes and gives, each timed by itself: call_p50_ns, call_p99_ns, call_p999_ns",
    axes = { { "size", { "16B-64B", "64B-4K", "4K-64K", "64K-1M", "1M-64M" } }, { "pattern", { "random", "cross" } },
             { "threads", { 1, 2 } }, { "allocator", { "glibc", "mimalloc", "jemalloc", "tcmalloc", "pool" } } },
    skip = skip, setup = function(p) return of_size(p, { timed = 1 }) end, run = body, check = check, work = { items = 1 }, teardown = close,
    observe = observe_calls,
    compare = against_rivals,
  },
  footprint = {
    -- To bind 2b4t takes half a minute: --cell-timeout 3m.
    about = "a decoded token: bytes of weights against float32, of a layer's scratch against a tensor for each step, and the share that is read in place",
    axes = { { "model", { "tiny", "small", "2b4t" } } },
    setup = function(p) return tern.bind("decode", { model = p.model }) end,
    run = tern.run, check = tern.check, work = tern.work, teardown = tern.close, observe = tern.observe,
  },
  traces = {
    about = "what a model's load asks for, played again",
    axes = { { "trace", { "tiny", "small", "medium" } }, { "allocator", { "glibc", "mimalloc", "jemalloc", "tcmalloc", "pool" } } },
    skip = function(p) return absent(p.allocator) end,
    setup = of_trace,
    run = body, check = check, work = { items = 1 }, teardown = close,
    compare = against_rivals,
  },
  touched = {
    about = "the same with every page of a block written, after 2 GiB of them: page faults are what a big block costs",
    axes = { { "size", { "4K-64K", "64K-1M", "1M-64M" } }, { "threads", { 1, 2 } },
             { "allocator", { "glibc", "mimalloc", "jemalloc", "tcmalloc", "pool" } } },
    skip = skip,
    setup = function(p)
      local e = of_size(p, { pattern = "random", touch = "pages" })
      local mean = (ranges[p.size][1] + ranges[p.size][2]) / 2
      lib.tern_exercise_run(e, math.ceil(2^31 / mean))  -- a process's first pages are the system's cost, whoever hands them out
      return e
    end,
    run = body, check = check, work = { items = 1 }, teardown = close,
    compare = against_rivals,
  },
  churn = {
    -- 10^8 operations, as the bound of a tenth is stated for, take minutes: TERN_CHURN=100000000 in the environment and --cell-timeout 10m.
    about = "random replacement among 6000 blocks of 16 B to 1 MiB, every page written, after so many operations: held, its peak, fragmentation",
    axes = { { "operations", { 100000, 1000000, tonumber(os.getenv "TERN_CHURN") } }, { "allocator", { "glibc", "mimalloc", "jemalloc", "tcmalloc", "pool" } } },
    skip = function(p) return absent(p.allocator) end,
    setup = function(p)
      local e = exercise { allocator = p.allocator, pattern = "random", low = 16, high = 2^20, live = 6000, touch = "pages" }
      lib.tern_exercise_run(e, p.operations)
      return e
    end,
    run = body, work = { items = 1 }, teardown = close,
    observe = observe_held,
    check = function(e)
      lib.tern_exercise_run(e, 30000)
      local report = read(e)
      local share = report.pool_held > 0 and 1 - report.pool_live / report.pool_held or 0
      if report.failures > 0 then return nil, "takes gave nothing" end
      if share > 0.10 then return nil, ("%.1f %% of what the pool holds is not in use"):format(100 * share) end
      return true
    end,
    compare = against_rivals,
  },
  trim = {
    about = "blocks in random use with every page written, all given back, and what is then free returned to the system: held before and after",
    axes = { { "size", { "16B-64B", "64B-4K", "4K-64K", "64K-1M", "1M-64M" } } },
    -- Of a pool of its own: in the process's default one a few small blocks that live on, say of a model, keep a run each.
    setup = function(p) return of_size({ allocator = "pool-whole", pattern = "random", threads = 1, size = p.size }, { touch = "pages" }) end,
    run = bench.native(lib.tern_exercise_trim), work = { items = 1 }, teardown = close,
    observe = function(e)
      local report = read(e)
      return { held_before_trim_bytes = report.untrimmed_bytes, held_after_trim_bytes = report.trimmed_bytes }
    end,
    check = function(e)
      lib.tern_exercise_trim(e, 1)
      local report = read(e)
      if report.trimmed_bytes > report.untrimmed_bytes / 2 then
        return nil, ("%.0f bytes held before the trim, %.0f after it"):format(report.untrimmed_bytes, report.trimmed_bytes)
      end
      return true
    end,
  },
  cost = {
    about = "what the pool's own counts and marks cost",
    axes = { { "size", { "16B-64B", "64B-4K", "4K-64K" } }, { "pattern", { "pair", "random" } }, { "allocator", variants } },
    setup = of_size, run = body, check = check, work = { items = 1 }, teardown = close,
    compare = { axis = "allocator", base = "pool-uncounted" },
  },
  load_cost = {
    about = "what they cost where a model's load is played again",
    axes = { { "trace", { "tiny", "small", "medium" } }, { "allocator", variants } },
    setup = of_trace, run = body, check = check, work = { items = 1 }, teardown = close,
    compare = { axis = "allocator", base = "pool-uncounted" },
  },
}

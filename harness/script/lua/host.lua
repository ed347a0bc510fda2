-- SPDX-License-Identifier: Apache-2.0
-- The harness's side of a suite, inside a worker. script/script.c calls the functions of the table returned at the end with plain
-- data and gets plain data back; `body` holds what the open cell runs. Suites' functions are called here and nowhere else, but `run`.
local core, settings = ...
local ffi = require "ffi"

local function prelude(name, ...) return assert(loadstring(core.prelude(name), "=" .. name .. ".lua"))(...) end
local tokens, fields, watch = prelude "tokens", prelude "fields", prelude "jitwatch"

local host = { seed = settings.seed, folder = "", used = {} }
local sandbox = prelude("sandbox", core, host)
local suite = { benches = {}, by_name = {} }
local json_list = { json = "array" }

function host.artifact(name)
  local path = settings.artifacts[name]
  if not path then
    error("there is no artifact '" .. name .. "': build it first where ternmark.lua names its file, or name one with --artifact " .. name .. "=PATH", 2)
  end
  host.used[name] = true
  return path
end

-- What asks for the card uses the lane's CUDA half of the engine, where the lane has one (else the engine finds that beside itself).
local function use_cuda_artifact(tern)
  local path, gpu = settings.artifacts.tern_cuda, tern.gpu
  if not path or not gpu then return end
  ffi.cdef "int setenv(const char *name, const char *value, int overwrite);"
  ffi.C.setenv("TERN_CUDA_LIBRARY", path, 1)
  function tern.gpu()
    host.used.tern_cuda = true
    return gpu()
  end
end

-- The Lua face that the engine carries: a module text that takes the library's path.
function host.engine()
  local path = host.artifact "tern"
  local ok, library = pcall(ffi.load, path)
  if not ok then error("the engine cannot be loaded: " .. tostring(library), 3) end
  ffi.cdef "extern const char tern_face[];"
  host.tern = assert(loadstring(ffi.string(library.tern_face), "=tern"))(path)
  use_cuda_artifact(host.tern)
  return host.tern
end

-- ---- loading

local function is_bench(value)
  for key in pairs(value) do if fields.is_known(key) then return true end end
  return false
end

local function add(name, bench)
  bench.name = bench.name or name
  suite.benches[#suite.benches + 1] = bench
end

-- One bench, a list of named benches, or a table name → bench (in the order of names).
local function collect(value, default)
  if is_bench(value) then return add(default, value) end
  local names = {}
  for key, bench in pairs(value) do
    if type(bench) ~= "table" then
      error({ field = tostring(key), expected = "a bench (a table)", found = fields.describe(bench) })
    end
    names[#names + 1] = key
  end
  table.sort(names, function(a, b)
    if type(a) == type(b) then return a < b end
    return type(a) == "number"
  end)
  for _, key in ipairs(names) do add(type(key) == "string" and key or nil, value[key]) end
end

local function name_mistakes(mistakes)
  for i, bench in ipairs(suite.benches) do
    if bench.name == nil then
      mistakes[#mistakes + 1] = { field = "name", expected = "a name for bench " .. i .. " of the list", found = "nothing" }
    elseif suite.by_name[bench.name] then
      mistakes[#mistakes + 1] = { field = "name", expected = "a name for each bench alone", found = "'" .. tostring(bench.name) .. "' twice" }
    else
      suite.by_name[bench.name] = bench
    end
  end
end

local function find_line(list, mistake, nth)
  local first = mistake.field:match("^[%w_]+") or mistake.field
  local last = mistake.field:match("%.([%w_]+)$") or first
  return tokens.line_of(list, last, nth) or tokens.line_of(list, first, nth) or 1
end

local function mistakes_of_suite(list)
  local mistakes = {}
  for i, bench in ipairs(suite.benches) do
    local before = #mistakes
    fields.check(bench, mistakes)
    for k = before + 1, #mistakes do mistakes[k].line = find_line(list, mistakes[k], i) end
  end
  name_mistakes(mistakes)
  for _, mistake in ipairs(mistakes) do mistake.line = mistake.line or find_line(list, mistake, 1) end
  return mistakes
end

local function default_name(path) return (path:match("([^/]+)$"):gsub("%.lua$", "")) end

-- "suite.lua:3: sentence" as a mistake.
local function mistake_of_error(path, problem)
  if type(problem) == "table" and problem.field then return problem end
  local text = type(problem) == "string" and problem:sub(1, 1000) or "threw a " .. type(problem) .. " as its error"
  local file, line, rest = text:match("^([^\n]-):(%d+): (.*)$")
  local field, expected, found = (rest or ""):match("^field '(.-)': expected (.-), found (.*)$")
  return { file = file or path, line = tonumber(line) or 1, field = field, expected = expected, found = found, text = rest or text }
end

local host_functions = {}

-- { path = } → { mistakes = [{ file, line, field, expected, found, text }] }
function host_functions.load(request)
  local path = request.path
  if not path then return { mistakes = setmetatable({}, json_list) } end -- no suite: a worker for the engine alone
  host.folder = path:match("^(.*/)") or ""
  local ok, problem = pcall(function()
    local value = sandbox.load(path)()
    if type(value) ~= "table" then
      error({ field = "return", expected = "a bench or a table of benches", found = fields.describe(value) })
    end
    collect(value, default_name(path))
  end)
  local list = tokens.list(sandbox.sources[path] or "")
  local mistakes = ok and mistakes_of_suite(list) or { mistake_of_error(path, problem) }
  for _, mistake in ipairs(mistakes) do
    mistake.file = mistake.file or path
    mistake.line = mistake.line or find_line(list, mistake, 1)
  end
  return { mistakes = setmetatable(mistakes, json_list) }
end

-- → { mistakes = … } as of load: what the loaded suite has wrong beyond its fields; `warning` marks what may be meant.
function host_functions.habits(request)
  local habits, found = prelude "habits", setmetatable({}, json_list)
  local list = tokens.list(sandbox.sources[request.path])
  local function tell(mistake)
    mistake.file = request.path
    found[#found + 1] = mistake
  end
  habits.globals(sandbox.chunks[request.path], sandbox.is_global, tell)
  habits.axes(list, suite.benches, tell)
  habits.bodies(list, tell)
  return { mistakes = found }
end

local function kind_of(bench)
  if bench.command then return "command" end
  if bench.stream then return "stream" end
  return type(bench.run) == "table" and "native" or "lua"
end

local function names_of(set)
  local list = {}
  for name in pairs(set) do list[#list + 1] = name end
  table.sort(list)
  return setmetatable(list, json_list)
end

local function as_ratio(value)
  if type(value) == "string" then return tonumber((value:match("^([%d%.]+)%%$"))) / 100 end
  return value
end

-- The tolerances of the other metrics that gate a bench, as numbers.
local function metrics_of(bench)
  local list = {}
  for name, tolerance in pairs(bench.metrics or {}) do list[name] = as_ratio(tolerance) end
  return bench.metrics and list
end

-- → [{ name, about, axes, kind, compare, target, metrics, artifacts }]
function host_functions.benches()
  local list = setmetatable({}, json_list)
  for _, bench in ipairs(suite.benches) do
    local axes = setmetatable({}, json_list)
    for i, axis in ipairs(bench.axes or {}) do axes[i] = { axis[1], setmetatable(axis[2], json_list) } end
    list[#list + 1] = {
      name = bench.name, about = bench.about, axes = axes, kind = kind_of(bench), compare = bench.compare, target = bench.target,
      metrics = metrics_of(bench),
      artifacts = names_of(host.used),
    }
  end
  return list
end

local function the_bench(name) return suite.by_name[name] or error("there is no bench '" .. tostring(name) .. "'", 0) end

local function reason_of(bench, params)
  local reason = bench.skip and bench.skip(params)
  if reason == true then return "skipped by the suite" end
  if reason and type(reason) ~= "string" then
    error("field 'skip': expected a reason or nil, found " .. fields.describe(reason), 0)
  end
  return reason or nil
end

-- What `list --why` prints beside a cell that is measured.
local function why_of(bench, params)
  local why = bench.why and bench.why(params)
  if why and type(why) ~= "string" then error("field 'why': expected a text or nil, found " .. fields.describe(why), 0) end
  return why or nil
end

local function tags_of(bench, params)
  local tags = bench.tags
  if type(tags) == "function" then tags = tags(params) end
  local list = setmetatable({}, json_list)
  for i, tag in ipairs(tags or {}) do
    if type(tag) ~= "string" then error("field 'tags': expected names, found " .. fields.describe(tag), 0) end
    list[i] = tag
  end
  return list
end

local function tolerance_of(bench, params)
  local tolerance = bench.tolerance
  if type(tolerance) == "function" then tolerance = tolerance(params) end
  tolerance = as_ratio(tolerance)
  if tolerance ~= nil and (type(tolerance) ~= "number" or not (tolerance > 0 and tolerance < 1000)) then
    error("field 'tolerance': expected a ratio, found " .. fields.describe(tolerance), 0)
  end
  return tolerance
end

local function number_text(value)
  if type(value) ~= "number" then return type(value) .. ":" .. tostring(value) end
  return string.format("%.17g", value)
end

local function input_hashes(bench, params)
  local inputs, hashes = bench.inputs, {}
  if type(inputs) == "function" then inputs = inputs(params) end
  for i, name in ipairs(inputs or {}) do
    local hash, why = core.sha256_file(name:sub(1, 1) == "/" and name or host.folder .. name)
    if not hash then error("field 'inputs': " .. why, 0) end
    hashes[i] = hash
  end
  return hashes
end

local hash_of_source = {}

-- Of the suite and of each local module loaded so far, in the order of their paths.
local function source_hashes()
  local paths, hashes = {}, {}
  for _, path in ipairs(sandbox.order) do paths[#paths + 1] = path end
  table.sort(paths)
  for i, path in ipairs(paths) do
    hash_of_source[path] = hash_of_source[path] or core.sha256(tokens.normal(sandbox.sources[path]))
    hashes[i] = hash_of_source[path]
  end
  return hashes
end

-- SHA-256 over the tokens of the suite and of the local modules it has loaded, the bench, its parameters, work and inputs.
local function workload_hash(bench, params, work)
  local parts, names = source_hashes(), {}
  parts[#parts + 1] = bench.name
  for name in pairs(params) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do parts[#parts + 1] = name .. "=" .. number_text(params[name]) end
  for _, name in ipairs { "ops", "bytes", "items" } do parts[#parts + 1] = name .. "=" .. number_text(work and work[name]) end
  for _, hash in ipairs(input_hashes(bench, params)) do parts[#parts + 1] = hash end
  for i, part in ipairs(parts) do parts[i] = #part .. ":" .. part end
  return "sha256:" .. core.sha256(table.concat(parts, ","))
end

-- { bench =, cells = [params], why = boolean } → [{ skip, why, tags, tolerance, workload_hash (without work, which a cell has only when it is open) }]
function host_functions.describe(request)
  local bench, list = the_bench(request.bench), setmetatable({}, json_list)
  for i, params in ipairs(request.cells) do
    local skip = reason_of(bench, params)
    list[i] = { skip = skip, why = request.why and not skip and why_of(bench, params) or nil, tags = tags_of(bench, params),
                tolerance = tolerance_of(bench, params), workload_hash = workload_hash(bench, params, nil) }
  end
  return list
end

-- ---- an open cell

local open

local function work_of(bench, state, params)
  local work = bench.work
  if type(work) == "function" then work = work(state, params) end
  if work == nil then return nil end
  local kept = {}
  for _, name in ipairs { "ops", "bytes", "items" } do
    local value = type(work) == "cdata" and tonumber(work[name]) or (type(work) == "table" and work[name]) or nil
    if type(value) == "cdata" then value = tonumber(value) end
    if value ~= nil and (type(value) ~= "number" or not (value >= 0 and value < 1e300)) then
      error("field 'work." .. name .. "': expected a number, found " .. fields.describe(value), 0)
    end
    kept[name] = value
  end
  return kept
end

local function pointer_of(state)
  if type(state) == "table" then state = state.pointer end
  if state == nil then return 0 end
  if type(state) ~= "cdata" then
    error("field 'setup': expected a C pointer or a table with the field pointer for a native body, found " .. fields.describe(state), 0)
  end
  return tonumber(ffi.cast("uintptr_t", ffi.cast("const void *", state)))
end

local function address(fn) return fn and tonumber(ffi.cast("uintptr_t", ffi.cast("void *", fn))) or 0 end

local function argv_of(bench, state, params)
  local words, argv = bench.command, {}
  if type(words) == "function" then words = words(params, state) end
  if type(words) ~= "table" or #words == 0 then
    error("field 'command': expected a list of words, found " .. fields.describe(words), 0)
  end
  for i, word in ipairs(words) do
    argv[i] = type(word) == "table" and host.artifact(word.artifact) or tostring(word)
    if argv[i]:find("%z") then error("field 'command': expected words without NUL", 0) end
  end
  return argv
end

-- The same loop as a body that does nothing: its own copy per cell, so that no other cell's trace is measured.
local function new_empty()
  return loadstring("return function(_, n) for _ = 1, n do end end", "=empty")()
end

local function stream_mistake(field, expected, found)
  error("field 'stream." .. field .. "': expected " .. expected .. ", found " .. fields.describe(found), 0)
end

-- { rate, requests, arrivals, request }: requests that arrive at times fixed beforehand, each one iteration of `request`.
local function stream_of(bench, state, params)
  local s = bench.stream
  if type(s) == "function" then s = s(params, state) end
  if type(s) ~= "table" then error("field 'stream': expected a table, found " .. fields.describe(s), 0) end
  local arrivals, requests = s.arrivals or "poisson", s.requests or 1000
  if type(s.rate) ~= "number" or not (s.rate > 0 and s.rate <= 1e7) then stream_mistake("rate", "requests a second", s.rate) end
  if type(requests) ~= "number" or requests % 1 ~= 0 or requests < 20 or requests > 100000 then
    stream_mistake("requests", "a whole number from 20 to 100000", requests)
  end
  if arrivals ~= "poisson" and arrivals ~= "even" then stream_mistake("arrivals", "'poisson' or 'even'", arrivals) end
  if type(s.request) ~= "function" and not (type(s.request) == "table" and s.request.native) then
    stream_mistake("request", "a function (state, n, parameters), tern.run or bench.native(f)", s.request)
  end
  return { rate = s.rate, requests = requests, even = arrivals == "even" }, s.request
end

local function stream_body(bench, state, params)
  local stream, request = stream_of(bench, state, params)
  if type(request) == "function" then return { kind = "lua", run = request, empty = new_empty(), stream = stream } end
  return { kind = "native", native = address(request.native), park = address(request.park), pointer = pointer_of(state), stream = stream }
end

local function body_of(bench, state, params)
  local kind = kind_of(bench)
  if kind == "native" then
    return { kind = kind, native = address(bench.run.native), park = address(bench.run.park), elapsed = address(bench.run.elapsed), pointer = pointer_of(state) }
  elseif kind == "command" then
    return { kind = kind, argv = argv_of(bench, state, params) }
  elseif kind == "lua" then
    return { kind = kind, run = bench.run, empty = new_empty() }
  end
  return stream_body(bench, state, params)
end

local function check(bench, state, params)
  if not bench.check then return end
  local ok, why = bench.check(state, params)
  if not ok then error("wrong result: " .. (type(why) == "string" and why:sub(1, 600) or "check failed"), 0) end
end

local function backend_of(state, params)
  local native = host.tern and host.tern.run.native
  if native and host_functions.body.native == address(native) then return host.tern.backend(state) end
  return type(params.backend) == "string" and params.backend or nil
end

-- What the engine says of the card that a cell runs on.
local function card_of(backend)
  local card = backend == "cuda" and host.tern and host.tern.gpu and host.tern.gpu()
  return card and { name = card.name, count = card.count, memory_bytes = card.memory_bytes, driver = card.driver } or nil
end

local SERIES = 200  -- points kept of each; more are thinned, so that they span the cell's whole time

local function thin(list)
  local half = {}
  for i = 2, #list, 2 do half[#half + 1] = list[i] end
  return half
end

-- The numbers of one call go to the ends of their series.
local function observe(cell)
  local numbers = cell.bench.observe(cell.state, cell.params)
  if type(numbers) ~= "table" then error("field 'observe': expected a table of numbers, found " .. fields.describe(numbers), 0) end
  cell.seen = cell.seen + 1
  if cell.seen % cell.every ~= 0 then return end
  for name, value in pairs(numbers) do
    value = tonumber(value)
    if type(name) ~= "string" or not value or value ~= value or math.abs(value) == math.huge then
      error("field 'observe." .. tostring(name) .. "': expected a number, found " .. fields.describe(value), 0)
    end
    local list = cell.series[name] or {}
    list[#list + 1] = value
    cell.series[name] = list
    cell.longest = math.max(cell.longest, #list)
  end
  if cell.longest >= SERIES then
    for name, list in pairs(cell.series) do cell.series[name] = thin(list) end
    cell.every, cell.longest = 2 * cell.every, SERIES / 2
  end
end

-- { bench =, params = } → { kind, work, backend, workload_hash, artifacts }
function host_functions.open(request)
  local bench, params = the_bench(request.bench), request.params
  open = { bench = bench, params = params, series = {}, seen = 0, every = 1, longest = 0 }
  open.state = bench.setup and bench.setup(params)
  check(bench, open.state, params)
  local work = work_of(bench, open.state, params)
  local body = body_of(bench, open.state, params)
  body.state, body.params = open.state, params
  local cell = open
  body.observe = bench.observe and function() observe(cell) end
  host_functions.body = body
  local backend = backend_of(open.state, params)
  return {
    kind = kind_of(bench), work = work, backend = backend, card = card_of(backend),
    workload_hash = workload_hash(bench, params, work), artifacts = names_of(host.used),
  }
end

-- `ternmark model`: one action on a model file.
function host_functions.model(request) return prelude("model", host)(request) end

-- → { compiled, interpreted, series { name = [number] } }; the cell is closed even where its teardown fails.
function host_functions.close()
  local cell = open
  open, host_functions.body = nil, nil
  if not cell then return { compiled = nil } end
  local answer = setmetatable({}, nil)
  if kind_of(cell.bench) == "lua" then answer.compiled, answer.interpreted = watch.result(cell.bench.run) end
  if cell.bench.teardown then cell.bench.teardown(cell.state, cell.params) end
  for name, list in pairs(cell.series) do cell.series[name] = setmetatable(list, json_list) end
  if next(cell.series) then answer.series = cell.series end
  cell.state = nil
  return answer
end

-- { path = } → what a project file (ternmark.lua) returns; C checks its fields
function host_functions.project(request) return sandbox.load(request.path)() end

return host_functions

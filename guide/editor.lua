---@meta
-- SPDX-License-Identifier: Apache-2.0
-- luacheck: no unused args
-- What editors with the Lua language server (LuaLS) know of suites: completion, types, unknown fields. Put this folder into
-- `workspace.library`; nothing here runs.

---A combination of axis values, by name.
---@class ternmark.params
---@field [string] string|number|boolean

---What one iteration does; rates and the place under the roofline follow from it.
---@class ternmark.work
---@field ops? number   operations
---@field bytes? number bytes moved at least
---@field items? number things handled

---@class ternmark.compare
---@field axis string the name of one of the bench's axes
---@field base string|number|boolean|(string|number|boolean)[] the value that the others are stated against; of a list, the fastest

---A body that C loops over; `bench.native` makes one, `tern.run` is one.
---@class ternmark.native
---@field native ffi.cdata* void (*)(void *state, uint64_t n)
---@field park? ffi.cdata* void (*)(void): puts its threads to sleep

---One thing measured, with its axes. Exactly one of run, command and stream.
---@class ternmark.bench
---@field name? string letters, digits, '_', '-' and '.'
---@field about? string one line for reports
---@field axes? { [1]: string, [2]: (string|number|boolean)[] }[] in the order of the cell's id
---@field skip? fun(p: ternmark.params): string? a reason to leave the cell out
---@field why? fun(p: ternmark.params): string? how a cell is done, for `ternmark list --why`; or nil
---@field setup? fun(p: ternmark.params): any the state; before any clock
---@field run? ternmark.native|fun(state: any, n: integer, p: ternmark.params): any does the thing n times
---@field check? fun(state: any, p: ternmark.params): boolean?, string? true, or nil and why not; before timing
---@field work? ternmark.work|fun(state: any, p: ternmark.params): ternmark.work
---@field observe? fun(state: any, p: ternmark.params): table<string, number> metrics over time; between turns, outside any clock
---@field teardown? fun(state: any)
---@field tags? string[]|fun(p: ternmark.params): string[] "ci": judged by `ternmark gate`
---@field tolerance? number|string|fun(p: ternmark.params): number|string 0.05 or "5%"
---@field metrics? table<string, string|number> more that is gated, with tolerances: p99, memory, cpu, instructions, instruction_count, energy, throughput
---@field target? table<string, string|number> limits by metric, like { p99 = "5ms" }
---@field compare? ternmark.compare
---@field command? (string|number|{ artifact: string })[]|fun(p: ternmark.params, state: any): (string|number|{ artifact: string })[]
---@field stream? table|fun(p: ternmark.params): table requests with arrival times
---@field inputs? string[]|fun(p: ternmark.params): string[] files whose content belongs to the workload

---`require "bench"` in a suite.
---@class ternmark.module
---@field seed integer of inputs, from --seed
local bench = {}

---2^k from low to high.
---@param low number
---@param high number
---@return number[]
function bench.pow2(low, high) end

---low, low + step … up to high.
---@param low number
---@param high number
---@param step? number
---@return number[]
function bench.range(low, high, step) end

---"2560x6912" → 2560, 6912
---@param text string
---@return number ...
function bench.dims(text) end

---n bytes from a seed, as a uint8_t array.
---@param n integer
---@param seed? integer
---@return ffi.cdata*
function bench.random_bytes(n, seed) end

---The file of an artifact in this lane.
---@param name string
---@return string
function bench.artifact(name) end

---The path of a file beside the suite.
---@param name string
---@return string
function bench.file(name) end

---@param fn ffi.cdata* void (*)(void *state, uint64_t n)
---@param park? ffi.cdata* void (*)(void)
---@return ternmark.native
function bench.native(fn, park) end

---`require "tern"` in a suite: the engine of this lane.
---@class ternmark.engine
---@field run ternmark.native
local tern = {}

---Backends that this CPU can run, weakest first.
---@return string[]
function tern.backends() end

---@return string[]
function tern.ops() end

---An operation with its inputs; a name that it does not have is an error.
---@param op string
---@param params table<string, string|number|boolean>
---@return any state
function tern.bind(op, params) end

---What tern.why would say of such a state, with nothing bound; or nil and why that is not known.
---@param op string
---@param params table<string, string|number|boolean>
---@return string?, string?
function tern.explain(op, params) end

---Memory nodes and processors that so many threads would run on, in words.
---@param threads integer
---@return string
function tern.placement(threads) end

---Compares with the scalar result.
---@return boolean?, string?
function tern.check(state) end

---@return ternmark.work
function tern.work(state) end

function tern.close(state) end

---Which kernel was chosen, and why.
---@return string
function tern.why(state) end

return { bench = bench, tern = tern }

-- SPDX-License-Identifier: Apache-2.0
-- Whether the loops of a Lua body became machine code. LuaJIT writes that into the function's own bytecode: the instruction that
-- closes a loop (FORL, ITERL, LOOP) is replaced by the one that enters its trace, or by the one that is never tried again. Reading
-- it needs no trace events: their handlers run while a trace begins, and a body that ends in `return tonumber(x)` crashes in one
-- (LuaJIT 2.1.0-beta3 of Debian 12, a side trace that starts in a tail call to a C function).
local util = require "jit.util"
local watch = {}

local function opcode(func, pc)
  local instruction = util.funcbc(func, pc)
  return instruction and bit.band(instruction, 0xff)
end

-- The opcode before the last one, in a function that was never run: what closes its only loop.
local function closing(func)
  local pc = 1
  while opcode(func, pc + 1) do pc = pc + 1 end
  return opcode(func, pc - 1)
end

-- In lj_bc.h the three forms of each stand in a row: tried, given up, compiled. `while true` has no return: LOOP is its first.
local first_of = {
  closing(function() for _ = 1, 2 do end end),
  closing(function(f, s, v) for _ in f, s, v do end end),
  opcode(function() while true do end end, 1),
}
local kind_of = {}
for _, op in ipairs(first_of) do kind_of[op], kind_of[op + 1], kind_of[op + 2] = "tried", "given up", "compiled" end

-- compiled (true, false or nil where it has no loop of its own), and why it is interpreted.
function watch.result(func)
  local found, pc = {}, 1
  while opcode(func, pc) do
    local kind = kind_of[opcode(func, pc)]
    if kind then found[kind] = true end
    pc = pc + 1
  end
  if found.compiled then return true end
  if not next(found) then return nil end
  return false, found["given up"] and "LuaJIT gave up compiling the loop" or "the loop was not compiled"
end

return watch

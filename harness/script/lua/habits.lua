-- SPDX-License-Identifier: Apache-2.0
-- What a suite that loads may still have wrong, found without running it: globals that are not there (from the bytecode of its
-- functions), and, from its tokens, axes of one value, axes that nothing reads, bodies that do not use n. Tokens do not tell everything:
-- where parameters are handed on whole, or a field is made by a call, axes count as read.
local util = require "jit.util"
local habits = {}

-- ---- globals

local function opcode(func, pc)
  local instruction = util.funcbc(func, pc)
  return instruction and bit.band(instruction, 0xff), instruction
end

-- luacheck: push ignore 111 113 (globals, which is the point)
local reads, writes = opcode(loadstring "return a", 1), opcode(loadstring "local b; a = b", 2)
-- luacheck: pop

-- Calls found(kind, name, line) for each access to a global in a function or one within it.
local function each_global(func, found)
  local pc = 1
  while true do
    local op, instruction = opcode(func, pc)
    if not op then break end
    if op == reads or op == writes then
      found(op == reads and "read" or "write", util.funck(func, -bit.rshift(instruction, 16) - 1), util.funcinfo(func, pc).currentline)
    end
    pc = pc + 1
  end
  local k = -1
  while true do
    local constant = util.funck(func, k)
    if constant == nil then break end
    if type(constant) == "proto" then each_global(constant, found) end
    k = k - 1
  end
end

function habits.globals(chunk, is_known, tell)
  each_global(chunk, function(kind, name, line)
    if kind == "write" then
      tell { field = name, line = line, expected = "a local variable", found = "a write to a global" }
    elseif not is_known(name) then
      tell { field = name, line = line, expected = "a local variable or one of the standard library", found = "an unknown global" }
    end
  end)
end

-- ---- tokens

-- Which argument of a field's function holds the parameters of the cell.
local place = { skip = 1, setup = 1, run = 3, check = 2, work = 2, observe = 2, teardown = 2, tags = 1, tolerance = 1, command = 1, stream = 1, inputs = 1 }
local opens = { ["function"] = true, ["if"] = true, ["do"] = true, ["repeat"] = true }

-- The names between the brackets that follow list[at], and where the second bracket is.
local function arguments(list, at)
  local names = {}
  while list[at] and list[at].text ~= "(" do at = at + 1 end
  while list[at] and list[at].text ~= ")" do
    if list[at].text:match "^[%a_]" then names[#names + 1] = list[at].text end
    at = at + 1
  end
  return names, at
end

-- The token that ends the function whose keyword is list[at].
local function function_end(list, at)
  local depth = 0
  for i = at, #list do
    local text = list[i].text
    if opens[text] then depth = depth + 1 end
    if text == "end" or text == "until" then
      depth = depth - 1
      if depth == 0 then return i end
    end
  end
  return #list
end

local function definition(list, name)
  for i = 1, #list - 1 do
    if list[i].text == "function" and list[i + 1].text == name then return i end
  end
end

-- Calls found(field, keyword's place) for every field that is a function written in this file; gives true when another is made elsewhere.
local function each_function(list, found)
  local elsewhere = false
  for i = 1, #list - 2 do
    local field, after, dot = list[i].text, list[i + 2].text, list[i + 3] and list[i + 3].text
    if place[field] and list[i + 1].text == "=" and (i == 1 or list[i - 1].text ~= ".") then
      local at = after == "function" and i + 2 or (after:match "^[%a_]" and dot ~= "." and dot ~= "(" and definition(list, after))
      if at then
        found(field, at)
      elseif after:match "^[%a_]" and after ~= "tern" and after ~= "bench" then
        elsewhere = true
      end
    end
  end
  return elsewhere
end

local function is_used(list, from, to, name)
  for i = from, to do
    if list[i].text == name and list[i - 1].text ~= "." then return true end
  end
  return false
end

-- The names that parameters go by, and true where some function may read any of them.
local function parameter_names(list)
  local names = {}
  local elsewhere = each_function(list, function(field, at)
    local name = arguments(list, at)[place[field]]
    if name then names[name] = true end
  end)
  return names, elsewhere
end

-- What is read of parameters: a set of axis names, or nil where they are handed on whole.
local function what_is_read(list)
  local names, elsewhere = parameter_names(list)
  if elsewhere then return nil end
  local read, i = {}, 1
  while i < #list do
    local text, after = list[i].text, list[i + 1].text
    if text == "function" then
      i = select(2, arguments(list, i))
    elseif names[text] and list[i - 1].text ~= "." then
      local key = list[i + 2] and list[i + 2].text or ""
      if after == "." then
        read[key] = true
      elseif after == "[" and key:match "^[\"']" then
        read[key:sub(2, -2)] = true
      elseif after ~= "=" then
        return nil
      end
    end
    i = i + 1
  end
  return read
end

-- `{ "name", { value } }` as it is written
local function single_value(list, name)
  for i = 1, #list - 6 do
    if list[i].text == "{" and list[i + 1].text:sub(2, -2) == name and list[i + 2].text == "," and list[i + 3].text == "{" and list[i + 5].text == "}" then
      return list[i].line
    end
  end
end

local function line_of_axis(list, name)
  for i = 1, #list do
    if list[i].text:match "^[\"']" and list[i].text:sub(2, -2) == name then return list[i].line end
  end
  return 1
end

function habits.axes(list, benches, tell)
  local read, told = what_is_read(list), {}
  for _, bench in ipairs(benches) do
    for _, axis in ipairs(bench.axes or {}) do
      local name = axis[1]
      local line = single_value(list, name)
      if line and not told[name] then
        tell { field = name, line = line, expected = "an axis that varies", found = "one value", warning = true }
      elseif read and not read[name] and not told[name] then
        tell { field = name, line = line_of_axis(list, name), expected = "an axis that some function reads", found = "none that does", warning = true }
      end
      told[name] = true
    end
  end
end

-- A body that ignores n does its work once, whatever n is.
function habits.bodies(list, tell)
  each_function(list, function(field, at)
    if field ~= "run" then return end
    local names, last = arguments(list, at)
    if not names[2] or not is_used(list, last + 1, function_end(list, at), names[2]) then
      tell { field = "run", line = list[at].line, expected = "a body that does its work n times", found = names[2] and names[2] .. " unused" or "no second argument" }
    end
  end)
end

return habits

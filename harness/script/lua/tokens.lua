-- SPDX-License-Identifier: Apache-2.0
-- Lua source as tokens with their lines, without comments and white space: what a workload hash covers, and how the line of a
-- field is found. Long brackets, quotes with escapes, names and numbers are kept whole; anything else is one character.
local tokens = {}

local function long_bracket(text, at)
  local level = text:match("^%[(=*)%[", at)
  if not level then return nil end
  local _, last = text:find("]" .. level .. "]", at, true)
  return last or #text
end

local function quoted(text, at)
  local quote, i = text:sub(at, at), at + 1
  while i <= #text and text:sub(i, i) ~= quote do
    i = i + (text:sub(i, i) == "\\" and 2 or 1)
  end
  return i
end

local function comment(text, at)
  if text:sub(at, at + 1) ~= "--" then return nil end
  return long_bracket(text, at + 2) or (text:find("\n", at, true) or #text + 1) - 1
end

local function token_end(text, at)
  local c = text:sub(at, at)
  if c == '"' or c == "'" then return quoted(text, at) end
  local _, last = text:find("^[%a_][%w_]*", at)
  if not last then _, last = text:find("^%.?%d[%w%.]*", at) end
  return last or (c == "[" and long_bracket(text, at)) or at
end

local function count_lines(text, from, to)
  local n = 0
  for i = from, to do if text:byte(i) == 10 then n = n + 1 end end
  return n
end

-- The tokens of `text`: a list of { text =, line = }.
function tokens.list(text)
  local found, at, line = {}, 1, 1
  if text:sub(1, 1) == "#" then at = text:find("\n", 1, true) or #text + 1 end
  while at <= #text do
    local _, space = text:find("^%s+", at)
    local last = space or comment(text, at)
    if not last then
      last = token_end(text, at)
      found[#found + 1] = { text = text:sub(at, last), line = line }
    end
    line = line + count_lines(text, at, last)
    at = last + 1
  end
  return found
end

-- The tokens joined by NUL, which no token outside a string holds.
function tokens.normal(text)
  local list = tokens.list(text)
  for i = 1, #list do list[i] = list[i].text end
  return table.concat(list, "\0")
end

-- The line where `field =` stands for the `nth` time (or last before that), or nil.
function tokens.line_of(list, field, nth)
  local line, seen = nil, 0
  for i = 1, #list - 1 do
    if list[i].text == field and list[i + 1].text == "=" and seen < (nth or 1) then
      line, seen = list[i].line, seen + 1
    end
  end
  return line
end

return tokens

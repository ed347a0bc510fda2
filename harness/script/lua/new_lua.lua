-- SPDX-License-Identifier: Apache-2.0
-- What question does this suite answer?
local bench = require "bench"

return {
  about = "one line for reports",
  axes = { { "items", bench.pow2(16, 1024) } },
  setup = function(p)
    local list = {}
    for i = 1, p.items do list[i] = i end
    return list
  end,
  -- Do the thing n times; the clock runs around this one call. Return something, so that no work is left out.
  run = function(list, n)
    local sum = 0
    for _ = 1, n do
      for i = 1, #list do sum = sum + list[i] end
    end
    return sum
  end,
  check = function(list, p) return #list == p.items, "the list has another length" end,
  work = function(_, p) return { items = p.items } end,
}

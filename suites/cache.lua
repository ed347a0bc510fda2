-- SPDX-License-Identifier: Apache-2.0
-- What does a tensor from the cache cost, when it is there and when it must be made?
local tern = require "tern"
local gpu, why = tern.gpu()

local function bench(fields)
  fields.setup = function(p) return tern.bind("cache", p) end
  fields.run, fields.check, fields.work, fields.teardown, fields.observe = tern.run, tern.check, tern.work, tern.close, tern.observe
  fields.compare = { axis = "budget", base = 25 }
  return fields
end

return {
  cache = bench {
    about = "acquire, read and release a tensor; eight models share one budget, the least recently used tensor goes first",
    axes = { { "budget", { 25, 50, 100 } }, { "bytes", { 4096, 65536, 1048576 } }, { "tensors", { 30, 120 } } },
    skip = function(p) return p.bytes == 1048576 and p.tensors == 120 and "a gigabyte of tensors shows what 240 MiB show" or nil end,
    tags = function(p) return p.budget == 100 and p.bytes == 65536 and p.tensors == 30 and { "ci" } or {} end,
  },
  places = bench {
    about = "the same with the tensors of the `card` most popular models on the card, the others on the CPU, under one budget",
    axes = { { "budget", { 25, 50, 100 } }, { "bytes", { 65536, 1048576 } }, { "card", { 2, 8 } } },
    skip = function() return not gpu and why or nil end,
  },
}

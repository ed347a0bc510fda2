-- SPDX-License-Identifier: Apache-2.0
-- What does a tensor from the cache cost, when it is there and when it must be made?
local tern = require "tern"

return {
  about = "acquire, read and release a tensor; eight models share one budget, the least recently used tensor goes first",
  axes = { { "budget", { 25, 50, 100 } }, { "bytes", { 4096, 65536, 1048576 } }, { "tensors", { 30 } } },
  setup = function(p) return tern.bind("cache", p) end,
  run = tern.run, check = tern.check, work = tern.work, teardown = tern.close,
  observe = tern.observe,
  tags = function(p) return p.budget == 100 and p.bytes == 65536 and { "ci" } or {} end,
  compare = { axis = "budget", base = 25 },
}

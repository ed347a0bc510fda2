-- SPDX-License-Identifier: Apache-2.0
-- GPU: operations that run on the card. Without one the cells skip themselves with the reason, so the same suite serves every machine.
local tern = require "tern"
local gpu, why = tern.gpu()

return {
  about = "reading the card's memory",
  axes = { { "bytes", { 2^28, 2^30 } } },
  skip = function() if not gpu then return why end end,
  setup = function(p) return tern.bind("gpu_stretch", { kind = "read", bytes = p.bytes }) end,
  run = tern.run, check = tern.check, work = tern.work, teardown = tern.close,
}

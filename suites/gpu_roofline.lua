-- SPDX-License-Identifier: Apache-2.0
-- The card's ceilings: reading and copying its memory, the tensor cores on int8 and bf16 (by cuBLAS, on random data), an empty launch.
local tern = require "tern"
local gpu, why = tern.gpu()

local ceilings = {
  read = { "gpu_stretch", { kind = "read", bytes = 2^31 } },
  copy = { "gpu_stretch", { kind = "copy", bytes = 2^31 } },
  launch = { "gpu_stretch", { kind = "launch", bytes = 64 } },
  int8 = { "gpu_rival", { type = "int8", shape = "8192x8192", batch = 8192 } },
  bf16 = { "gpu_rival", { type = "bf16", shape = "8192x8192", batch = 8192 } },
}

return {
  about = "ceilings of the card",
  axes = { { "what", { "read", "copy", "int8", "bf16", "launch" } } },
  skip = function() if not gpu then return why end end,
  setup = function(p) return tern.bind(unpack(ceilings[p.what])) end,
  run = tern.run, check = tern.check, work = tern.work, teardown = tern.close,
}

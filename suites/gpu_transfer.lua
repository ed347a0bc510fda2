-- SPDX-License-Identifier: Apache-2.0
-- What does the link between host and card give, by size, with locked and pageable memory, both ways at once, through the engine's own ring of
-- locked memory (staged), and beside a kernel? Pageable memory takes the ring there.
local tern = require "tern"
local gpu, why = tern.gpu()

return {
  about = "copies between host and card",
  axes = {
    { "kind", { "up", "down", "both", "staged", "overlap" } },
    { "bytes", { 65536, 1048576, 16777216, 268435456 } },
    { "pinned", { 1, 0 } },
  },
  skip = function(p)
    if not gpu then return why end
    if p.pinned == 0 and p.kind == "both" then return "pageable memory is copied one way at a time" end
    if p.pinned == 1 and p.kind == "staged" then return "the ring is for memory that is not locked" end
    if p.kind == "overlap" and p.bytes < 16777216 then return "the kernel beside it would be all launches" end
  end,
  setup = function(p) return tern.bind("gpu_stretch", p) end,
  run = tern.run, check = tern.check, work = tern.work, teardown = tern.close,
}

-- SPDX-License-Identifier: Apache-2.0
-- How fast is an operation on the graphics card?
local tern = require "tern"
local gpu, why = tern.gpu()  -- what the driver says of the card, or nil and why there is none

return {
  about = "one line for reports",
  axes = {
    { "batch", { 1, 32, 512 } },
    { "shape", { "2560x2560", "13824x2560" } },  -- outputs x inputs
    { "state", { "cold", "warm" } },             -- weights from the card's memory, or from its cache
  },
  -- Without a card every cell says why it was left out; the same suite serves every machine.
  skip = function() if not gpu then return why end end,
  setup = function(p) return tern.bind("bitlinear", { backend = "cuda", batch = p.batch, shape = p.shape, cold = p.state == "cold" and 1 or 0 }) end,
  run = tern.run,      -- timed by the card's own clock
  check = tern.check,  -- a sample of rows against the CPU
  work = tern.work,    -- { ops =, bytes =, items = } of one iteration
  teardown = tern.close,
}

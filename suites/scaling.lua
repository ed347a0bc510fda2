-- SPDX-License-Identifier: Apache-2.0
-- What does each further thread bring?
local tern = require "tern"

return {
  about = "one layer over threads, hot and from memory",
  axes = {
    { "threads", { 1, 2, 4, 8, 16 } },
    { "shape", { "768x768", "2560x2560", "6912x2560" } },
    { "batch", { 1, 32 } },
    { "cold", { 0, 1 } },
  },
  skip = function(p)
    if p.threads > tern.threads() then return ("only %d CPUs are allowed here"):format(tern.threads()) end
    if p.cold == 1 and p.batch > 1 then return "large batches are not bound by memory" end
    if p.cold == 1 and p.shape == "768x768" then return "a call is over before memory counts" end
  end,
  why = function(p) return tern.explain("bitlinear", p) .. "; " .. tern.placement(p.threads) end,
  setup = function(p) return tern.bind("bitlinear", p) end,
  run = tern.run, check = tern.check, work = tern.work, teardown = tern.close,
  compare = { axis = "threads", base = 1 },
}

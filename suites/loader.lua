-- SPDX-License-Identifier: Apache-2.0
-- What does opening a model file cost: mapped against read, header parsed against remembered, small against large?
local tern = require "tern"

return {
  about = "a model file opened, checked and closed",
  axes = {
    { "model", { "tiny", "small", "medium", "2b4t" } },
    { "access", { "mapped", "read" } },
    { "cache", { "warm", "cold" } },
  },
  skip = function(p) if p.model == "2b4t" and p.access == "read" then return "reading 790 MB each time shows the memory, not the loader" end end,
  setup = function(p) return tern.bind("loader", p) end,
  run = tern.run, check = tern.check, work = tern.work, teardown = tern.close,
  tags = function(p) return p.model == "small" and p.access == "mapped" and { "ci" } or {} end,
  compare = { axis = "access", base = "read" },
}

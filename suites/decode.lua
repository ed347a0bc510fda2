-- SPDX-License-Identifier: Apache-2.0
-- Decoding at the shape of BitNet b1.58 2B-4T: tokens a second, and what share of the read roof of the same run they reach.
local tern = require "tern"

local function token(p)
  return tern.bind("decode", { model = "2b4t", level = "aggressive", output = p.output or "int4", storage = p.storage or "auto", threads = 2 })
end

return {
  token = {
    about = "one token, 128 positions behind it, by how the output matrix and the layers are packed",
    axes = { { "output", { "int8", "int4" } }, { "storage", { "2bit", "auto" } } },
    setup = token, run = tern.run, check = tern.check, work = tern.work, teardown = tern.close,
  },
  roof = {
    about = "one token, against reading as many bytes from memory in order by the same threads, as far ahead as is fastest here",
    axes = { { "what", { "token", "read" } } },
    setup = function(p)
      local op = token {}
      if p.what == "token" then return op end
      local bytes = tern.work(op).bytes
      tern.close(op)
      return tern.bind("read", { bytes = bytes, ahead = "auto", threads = 2 })
    end,
    run = tern.run, check = tern.check, work = tern.work, teardown = tern.close,
    compare = { axis = "what", base = "read" },
  },
}

-- SPDX-License-Identifier: Apache-2.0
-- Decoding at the shape of BitNet b1.58 2B-4T: tokens a second, and the read roof of the same run beside it.
local tern = require "tern"

return {
  token = {
    about = "one token of the 2B-4T shape, 128 positions behind it, by how the output matrix is packed",
    axes = { { "output", { "int8", "int4" } }, { "storage", { "2bit", "base3" } } },
    setup = function(p) return tern.bind("decode", { model = "2b4t", output = p.output, storage = p.storage }) end,
    run = tern.run, check = tern.check, work = tern.work, teardown = tern.close,
  },
  roof = {
    about = "bytes read from memory in order, by all threads: what a token's bytes are measured against",
    setup = function() return tern.bind("read", { bytes = 2 ^ 30, ahead = 1024, threads = 2 }) end,
    run = tern.run, check = tern.check, work = tern.work, teardown = tern.close,
  },
}

-- SPDX-License-Identifier: Apache-2.0
-- A prompt at the shape of BitNet b1.58 2B-4T: tokens a second.
local tern = require "tern"

return {
  about = "a prompt through the 2B-4T shape",
  axes = { { "tokens", { 32, 128, 512 } } },
  setup = function(p) return tern.bind("prefill", { model = "2b4t", tokens = p.tokens }) end,
  run = tern.run, check = tern.check, work = tern.work, teardown = tern.close,
}

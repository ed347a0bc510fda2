-- SPDX-License-Identifier: Apache-2.0
-- What does it cost to pack weights, to unpack them, and to bring a file's layout into the kernels' order once at bind? Items are weights;
-- bytes per item show the ratio of a format.
local tern = require "tern"

return {
  about = "64 rows of 2560 weights",
  axes = {
    { "format", { "int8", "2bit", "base3", "table3", "planes", "i2_s", "tq1_0", "tq2_0" } },
    { "way", { "pack", "unpack", "bind" } },
    { "density", { 0.05, 0.5, 1 } },
  },
  setup = function(p) return tern.bind("pack", p) end,
  run = tern.run, check = tern.check, work = tern.work, teardown = tern.close,
  compare = { axis = "format", base = "2bit" },
}

-- SPDX-License-Identifier: Apache-2.0
-- How long does a whole program take? Time, processor time and peak memory are measured; no shell is involved.
return {
  about = "one line for reports",
  axes = { { "lines", { 1000, 100000 } } },
  -- Words of the command line; { artifact = "name" } is the file of an artifact in the lane being measured.
  command = function(p) return { "seq", p.lines } end,
  work = function(_, p) return { items = p.lines } end,
}

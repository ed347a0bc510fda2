-- SPDX-License-Identifier: Apache-2.0
-- Commands: whole programs, without a shell. Measured are time, processor time and peak memory. { artifact = "name" } as a word is the
-- file that `ternmark gate` built for the lane, so base and head run their own.
return {
  about = "a small program from start to end, printing lines",
  axes = { { "lines", { 100, 10000 } } },
  command = function(p) return { "seq", "-f", "%010g", p.lines } end,
  work = function(_, p) return { items = p.lines } end,
  tolerance = "10%",  -- starting a process is noisier than a function call
}

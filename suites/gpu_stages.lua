-- SPDX-License-Identifier: Apache-2.0
-- Where do the microseconds of a decode step go? Between turns one more step is run whose kernels stamp when they were let on and when
-- they ended; a launch's time is from its own start to the next one's, hand-over included. reports/where/draw-step draws the sums.
local tern = require "tern"
local gpu, why = tern.gpu()

-- Sums over a step by what its launches do, in ns.
local function sums(op)
  local marks, wrong = tern.marks(op)
  if not marks then error(wrong) end
  local sum = {}
  for i, mark in ipairs(marks) do
    local name = mark.name:gsub("%W+", "_") .. "_ns"
    sum[name] = (sum[name] or 0) + (marks[i + 1] and marks[i + 1].ready or mark.ends) - mark.ready
  end
  return sum
end

return {
  about = "a decode step of the 2B-4T shape on the card, by what its launches do",
  axes = { { "cache", { "f16", "i8" } }, { "context", { 512, 2048 } } },
  skip = function() if not gpu then return why end end,
  setup = function(p) return tern.bind("gpu_decode", p) end,
  run = tern.run, check = tern.check, work = tern.work, teardown = tern.close,
  observe = sums,
}

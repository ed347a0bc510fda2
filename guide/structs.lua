-- SPDX-License-Identifier: Apache-2.0
-- Structs: a C function that takes and fills one. Make it once in setup; a struct made inside the loop would be measured too.
local ffi = require "ffi"
ffi.cdef [[
struct guide_tm { int sec, min, hour, mday, mon, year, wday, yday, isdst; long gmtoff; const char *zone; };
int64_t timegm(struct guide_tm *tm);
struct guide_tm *gmtime_r(const int64_t *time, struct guide_tm *result);
]]

return {
  about = "a date to seconds and back",
  setup = function() return { tm = ffi.new "struct guide_tm", time = ffi.new "int64_t[1]" } end,
  run = function(s, n)
    for i = 1, n do
      s.time[0] = 1700000000 + i
      ffi.C.gmtime_r(s.time, s.tm)
      s.time[0] = ffi.C.timegm(s.tm)
    end
    return tonumber(s.time[0])
  end,
  check = function(s)
    s.time[0] = 86400
    ffi.C.gmtime_r(s.time, s.tm)
    return s.tm.mday == 2 and s.tm.year == 70 and tonumber(ffi.C.timegm(s.tm)) == 86400, "1970-01-02 is another day"
  end,
  work = { items = 1 },
}

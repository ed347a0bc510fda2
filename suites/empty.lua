-- What does the harness itself cost? Empty bodies, run like any other.
local ffi = require "ffi"
ffi.cdef [[ int abs(int); ]]

return {
  lua = {
    about = "an empty Lua loop: clock, call and loop",
    run = function(_, n) for _ = 1, n do end end,
    tags = { "ci" },
  },
  call = {
    about = "a C function that does next to nothing, called from a compiled Lua loop",
    run = function(_, n) local sum = 0; for i = 1, n do sum = sum + ffi.C.abs(i) end; return sum end,
    work = { items = 1 },
    tags = { "ci" },
  },
}

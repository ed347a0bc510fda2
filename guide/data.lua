-- SPDX-License-Identifier: Apache-2.0
-- Own data: a file beside the suite. Naming it in `inputs` makes its content part of the workload: when it changes, old baselines
-- no longer compare, instead of comparing something else.
local bench, ffi = require "bench", require "ffi"
ffi.cdef [[
typedef struct guide_file guide_file;
guide_file *fopen(const char *path, const char *mode);
size_t fread(void *to, size_t size, size_t n, guide_file *file);
int fclose(guide_file *file);
unsigned long crc32(unsigned long crc, const uint8_t *data, unsigned int n);
]]
local z = ffi.load "libz.so.1"

return {
  about = "crc32 of a text file",
  inputs = { "data/words.txt" },
  setup = function()
    local file = assert(ffi.C.fopen(bench.file "data/words.txt", "rb"), "no data/words.txt")
    local bytes = ffi.new "uint8_t[4096]"
    local n = tonumber(ffi.C.fread(bytes, 1, 4096, file))
    ffi.C.fclose(file)
    return { bytes = bytes, n = n }
  end,
  run = function(s, n)
    local crc = 0
    for _ = 1, n do crc = tonumber(z.crc32(crc, s.bytes, s.n)) end
    return crc
  end,
  check = function(s) return s.n > 100, "the file is shorter than it was" end,
  work = function(s) return { bytes = s.n } end,
}

-- SPDX-License-Identifier: Apache-2.0
-- Subjects that break the card on purpose, beside sound ones: what a kernel out of bounds, or one that does not end, costs others. Run by
-- ci/gpu-check on a real card: only the cells `out_of_bounds` and `endless` may fail.
local tern, ffi = require "tern", require "ffi"
local gpu, why = tern.gpu()

ffi.cdef [[
int cuModuleLoadData(void **module, const void *image);
int cuModuleGetFunction(void **function, void *module, const char *name);
int cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, void *stream,
                   void **parameters, void **extra);
int cuCtxSynchronize(void);
]]

-- out_of_bounds writes where nothing is mapped; endless spins for 8 s by the card's clock, far beyond the limit of a cell here.
local ptx = [[
.version 7.0
.target sm_80
.address_size 64
.visible .entry out_of_bounds()
{
  .reg .b64 %a;
  .reg .b32 %v;
  mov.u64 %a, 4096;
  mov.u32 %v, 7;
  st.global.u32 [%a], %v;
  ret;
}
.visible .entry endless()
{
  .reg .b64 %begin, %now, %spent;
  .reg .pred %more;
  mov.u64 %begin, %globaltimer;
again:
  mov.u64 %now, %globaltimer;
  sub.u64 %spent, %now, %begin;
  setp.lt.u64 %more, %spent, 8000000000;
  @%more bra again;
  ret;
}
]]

local function launch(name)
  local driver, module, fn = ffi.load "libcuda.so.1", ffi.new "void *[1]", ffi.new "void *[1]"
  local code = driver.cuModuleLoadData(module, ptx)
  if code == 0 then code = driver.cuModuleGetFunction(fn, module[0], name) end
  if code == 0 then code = driver.cuLaunchKernel(fn[0], 1, 1, 1, 1, 1, 1, 0, nil, nil, nil) end
  if code == 0 then code = driver.cuCtxSynchronize() end
  return code
end

return {
  about = "kernels that break the card's context, and what they leave to others",
  axes = { { "what", { "sound_1", "out_of_bounds", "sound_2", "endless", "sound_3" } } },
  skip = function() if not gpu then return why end end,
  setup = function() return tern.bind("gpu_stretch", { kind = "copy", bytes = 2^22 }) end,
  -- The engine's own call after the fault gives its typed outcome.
  run = function(op, n, p)
    if p.what == "out_of_bounds" or p.what == "endless" then
      local code = launch(p.what)
      local ok, outcome = tern.check(op)
      error(("the driver says %d, then the engine: %s"):format(code, ok and "nothing wrong" or outcome))
    end
    tern.lib.tern_op_run(op, n)
  end,
  check = tern.check, teardown = tern.close,
}

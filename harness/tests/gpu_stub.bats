#!/usr/bin/env bats
# GPU suites on machines without a card: skipped with the reason, or run on a stub driver that fails on command.

setup() {
  build=$(dirname "$TERN")
  [ -e "$build/libtern_cuda.so" ] || skip "this build has no CUDA library (no nvcc)"
  cells="suites/gpu_transfer.lua --set bytes=65536 --budget 4s --out $BATS_TEST_TMPDIR/run.json"
}

on_stub() {
  [ -e "$build/engine/tests/stub_driver.so" ] || skip "the stub driver is built by make test"
  export TERN_CUDA_DRIVER=$build/engine/tests/stub_driver.so
}

@test "no driver: every GPU cell is skipped and says why" {
  TERN_CUDA_DRIVER=/nonexistent/libcuda.so.1 run "$TERNMARK" run $cells
  [ "$status" = 3 ]
  [[ "$output" == *"cuda: no_driver: "* ]]
  [[ "$output" != *measured* ]]
}

@test "TERN_BACKEND=cuda without a driver refuses, naming the outcome" {
  TERN_BACKEND=cuda TERN_CUDA_DRIVER=/nonexistent/libcuda.so.1 run "$TERNMARK" run suites/quantize.lua --budget 2s --out "$BATS_TEST_TMPDIR/run.json"
  [ "$status" != 0 ]
  [[ "$output" == *cuda* ]]
}

@test "a card's own clock times the cells" {
  on_stub
  STUB_FAIL=none run "$TERNMARK" run $cells
  [[ "$output" == *"5 measured"* ]]
}

@test "a broken context loses its cells and no other" {
  on_stub
  STUB_FAIL=cuMemcpyDtoHAsync_v2:1:700 run "$TERNMARK" run $cells
  [ "$status" = 4 ]
  [[ "$output" == *"cuda: sticky: "* ]]
  [[ "$output" == *"3 failed, 2 measured"* ]]
}

@test "memory that runs out fails the cell by its name" {
  on_stub
  STUB_FAIL=cuMemAllocHost_v2:1:2 run "$TERNMARK" run $cells
  [ "$status" = 4 ]
  [[ "$output" == *"cuda: out_of_memory: "* ]]
  [[ "$output" == *"measured"* ]]
}

#!/usr/bin/env bats
# GPU suites on machines without a card: skipped with the reason, or run on a stub driver that fails on command.

load machine

setup() {
  build=$(dirname "$TERN")
  [ -e "$build/libtern_cuda.so" ] || skip "this build has no CUDA library (no nvcc)"
  cells="suites/gpu_transfer.lua --set bytes=65536 --set kind=up,down,both --budget 4s --out $BATS_TEST_TMPDIR/run.json"
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

@test "listing asks what the card is and makes no context on it" {
  on_stub
  STUB_FAIL=cuDevicePrimaryCtxRetain:1:2 run "$TERNMARK" list suites/gpu_transfer.lua suites/gpu_bitlinear.lua --why
  [ "$status" = 0 ]
  [[ "$output" == *"gpu_transfer/gpu_transfer/kind=up/bytes=65536/pinned=1"* ]]
  [[ "$output" != *"cuda: "* ]]
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

with_nvml() {
  on_stub
  [ -e "$build/harness/tests/stub_nvml.so" ] || skip "the stub NVML is built by make test"
  export STUB_FAIL=none TERNMARK_NVML=$build/harness/tests/stub_nvml.so
}

metric() {  # sum of a metric over the measured cells
  python3 -c '
import json, sys
print(round(sum(c["metrics"][sys.argv[2]]["value"] for c in json.load(open(sys.argv[1]))["cells"] if c["status"] == "ok"), 6))' "$BATS_TEST_TMPDIR/run.json" "$1"
}

@test "what NVML reads of the card are metrics with units" {
  with_nvml
  run "$TERNMARK" run suites/gpu_transfer.lua --filter 'kind=up/bytes=65536/pinned=1$' --budget 4s --out "$BATS_TEST_TMPDIR/run.json"
  [[ "$output" == *"1 measured"* ]]
  [ "$(metric gpu_power)" = 412.5 ]
  [ "$(metric gpu_utilisation)" = 0.9 ]
  [ "$(metric gpu_clock)" = 1980.0 ]
  [ "$(metric gpu_temperature)" = 51.0 ]
  [ "$(metric gpu_throttled)" = 0.0 ]
  grep -q '"unit": *"W"' "$BATS_TEST_TMPDIR/run.json"
}

@test "without NVML its metrics are absent with the reason" {
  on_stub
  STUB_FAIL=none TERNMARK_NVML=/nonexistent.so run "$TERNMARK" run $cells
  [[ "$output" == *"5 measured"* ]]
  grep -q '"gpu_power": *{ *"absent": *"no NVML' "$BATS_TEST_TMPDIR/run.json"
}

@test "samples at a throttled clock are dropped and counted" {
  with_nvml
  STUB_NVML_REASONS=0x40@40 run "$TERNMARK" run $cells
  [[ "$output" == *"5 measured"* ]]
  python3 -c 'import sys; sys.exit(not float(sys.argv[1]) >= 5)' "$(metric gpu_throttled)"
}

@test "a cell without a sample at full clock is unfit and says what held it" {
  with_nvml
  STUB_NVML_REASONS=0x40 run "$TERNMARK" run $cells
  [ "$status" = 3 ]
  [[ "$output" == *"samples were taken at a throttled clock of the card: heat"* ]]
  [[ "$output" == *"5 unfit"* ]]
}

@test "the run says which card it was, and another card's run is not comparable" {
  on_stub
  STUB_FAIL=none run "$TERNMARK" run $cells
  python3 - "$BATS_TEST_TMPDIR/run.json" <<'END'
import json, re, sys
top = json.load(open(sys.argv[1]))
assert re.fullmatch(r"stub-card-1x1g-cuda13-[0-9a-f]{8}", top["hardware"]["gpu_key"]), top["hardware"]
assert top["environment"]["gpu"] == "stub card"
END
  cd "$BATS_TEST_DIRNAME/../.."
  export STUB_FAIL=none
  gate="gate suites/gpu_transfer.lua --set bytes=65536 --set kind=up --set pinned=1 --base $BATS_TEST_TMPDIR/run.json --out $BATS_TEST_TMPDIR/gate.json"
  run "$TERNMARK" $gate
  [[ "$output" != *"another card"* ]]
  STUB_CARD="other card" run "$TERNMARK" $gate
  [ "$status" = 3 ]
  [[ "$output" == *"the base was measured on another card"* ]]
  grep -q 'gpu key: base stub-card-1x1g' "$BATS_TEST_TMPDIR/gate.json"
}

@test "a cell on the card names the CUDA half of the engine as its artifact" {
  on_stub
  STUB_FAIL=none run "$TERNMARK" gate suites/gpu_transfer.lua --paired --set bytes=65536 --set kind=up --set pinned=1 --base "tern=$TERN" \
    --head "tern_cuda=$build/libtern_cuda.so" --out "$BATS_TEST_TMPDIR/gate.json"
  [ "$status" = 0 ]
  [[ "$output" == *"identical subject"* ]]
}

@test "workers keep CUDA's and NCCL's environment and switch NVLink multicast off" {
  cat >"$BATS_TEST_TMPDIR/env.lua" <<END
local names = "NCCL_|CUDA_|NVIDIA_|LD_LIBRARY_PATH"
return { command = { "sh", "-c", "env | grep -E '^(" .. names .. ")' >$BATS_TEST_TMPDIR/env.txt" } }
END
  NCCL_NVLS_ENABLE=1 NCCL_DEBUG=WARN CUDA_VISIBLE_DEVICES=3 NVIDIA_TF32_OVERRIDE=0 LD_LIBRARY_PATH=/some/where \
    run "$TERNMARK" run "$BATS_TEST_TMPDIR/env.lua" --budget 1s --out "$BATS_TEST_TMPDIR/run.json"
  fine
  for line in NCCL_NVLS_ENABLE=0 NCCL_DEBUG=WARN CUDA_VISIBLE_DEVICES=3 CUDA_DEVICE_ORDER=PCI_BUS_ID NVIDIA_TF32_OVERRIDE=0 LD_LIBRARY_PATH=/some/where; do
    grep -qx "$line" "$BATS_TEST_TMPDIR/env.txt" || { echo "no $line"; cat "$BATS_TEST_TMPDIR/env.txt"; false; }
  done
}

@test "a new suite for the card binds what the engine has" {
  on_stub
  cd "$BATS_TEST_TMPDIR"
  "$TERNMARK" new first --kind gpu
  STUB_FAIL=none run "$TERNMARK" run suites/first.lua --set batch=1 --set shape=2560x2560 --budget 3s --out "$BATS_TEST_TMPDIR/run.json"
  [[ "$output" != *"no operation"* && "$output" != *"parameter"* ]]
  [[ "$output" == *"wrong result"* ]]   # launches do nothing on the stub
}

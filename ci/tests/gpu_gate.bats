#!/usr/bin/env bats
# The gate on cells of a graphics card, on the stub driver: lanes in lock-step, each with its own build, timed by the card's clock.

setup() {
  BUILD=$(dirname "$TERNMARK")
  [[ "$BUILD" == */build ]] || skip "only the plain build's speed is judged"
  [ -e "$BUILD/libtern_cuda.so" ] || skip "this build has no CUDA library (no nvcc)"
  [ -e "$BUILD/engine/tests/stub_driver.so" ] || skip "the stub driver is built by make test"
  export TERN_CUDA_DRIVER=$BUILD/engine/tests/stub_driver.so STUB_FAIL=none
}

gate() {
  run "$TERNMARK" gate suites/gpu_transfer.lua --paired --set bytes=65536 --set pinned=1 --set kind=up,down --base "tern=$TERN" \
    --out "$BATS_TEST_TMPDIR/gate.json" "$@"
  echo "$output"
}

other_bytes() {
  echo "not code" >"$BATS_TEST_TMPDIR/note"
  objcopy --add-section .note.test="$BATS_TEST_TMPDIR/note" "$1" "$BATS_TEST_TMPDIR/${1##*/}"
}

@test "a tenth more work on the card: regression, exit 1, the cells named" {
  make -s -j2 EXTRA_WORK=0.10 B=build/slower build/slower/libtern.so
  gate --head tern=build/slower/libtern.so
  [ "$status" = 1 ]
  [[ "$output" == *regression*gpu_transfer/gpu_transfer/kind=* ]]
}

@test "the same code with other bytes in either half of the engine: measured in pairs, no regression" {
  for half in libtern.so libtern_cuda.so; do
    other_bytes "$BUILD/$half"
    name=${half%.so}; name=${name#lib}
    gate --head "$name=$BATS_TEST_TMPDIR/$half"
    [ "$status" = 0 ] || [ "$status" = 3 ]   # a loaded machine may not be able to tell; it may not see red
    [[ "$output" != *"identical subject"* ]]
    rm -f "$BATS_TEST_TMPDIR/$half"
  done
}

@test "rounds at a throttled clock are dropped and counted; with none left the cells are unfit and say so" {
  [ -e "$BUILD/harness/tests/stub_nvml.so" ] || skip "the stub of NVML is built by make test"
  export TERNMARK_NVML=$BUILD/harness/tests/stub_nvml.so
  other_bytes "$BUILD/libtern_cuda.so"
  STUB_NVML_REASONS=0x40@4 gate --head "tern_cuda=$BATS_TEST_TMPDIR/libtern_cuda.so"
  [ "$status" = 0 ] || [ "$status" = 3 ]
  [[ "$output" != *"every round had a turn"* ]]
  python3 - "$BATS_TEST_TMPDIR/gate.json" <<'END'
import json, sys
cells = [c for c in json.load(open(sys.argv[1]))["cells"] if c["status"] == "ok"]
assert cells and all(c["paired"]["rounds"] for c in cells)
assert sum(c["metrics"]["gpu_throttled"]["value"] for c in cells) >= 1, [c["metrics"]["gpu_throttled"] for c in cells]
END
  STUB_NVML_REASONS=0x40 gate --head "tern_cuda=$BATS_TEST_TMPDIR/libtern_cuda.so"
  [ "$status" = 3 ]
  [[ "$output" == *"every round had a turn at a throttled clock of the card"* ]]
}

#!/usr/bin/env bats
# The gate on the engine itself: a build that does a tenth more work is red by name, one that only has other bytes is not.

setup() {
  BUILD=$(dirname "$TERNMARK")
  [[ "$BUILD" == */build ]] || skip "only the plain build's speed is judged"
  cells='backend=(avx2|avx512vnni)/batch=(1|8)/shape=2560x2560$'
}

gate() { run "$TERNMARK" gate suites/bitlinear.lua --paired --filter "$cells" --base "tern=$TERN" --out "$BATS_TEST_TMPDIR/gate.json" "$@"; }

@test "a tenth more work in every product: regression, exit 1, the cells named" {
  make -s -j2 EXTRA_WORK=0.10 B=build/slower build/slower/libtern.so
  gate --head tern=build/slower/libtern.so
  echo "$output"
  [ "$status" = 1 ]
  [[ "$output" == *regression*bitlinear/bitlinear/backend=*shape=2560x2560* ]]
}

@test "the same code with other bytes in the file: measured in pairs, no regression" {
  echo "not code" >"$BATS_TEST_TMPDIR/note"
  objcopy --add-section .note.test="$BATS_TEST_TMPDIR/note" "$TERN" "$BATS_TEST_TMPDIR/libtern.so"
  ! cmp -s "$TERN" "$BATS_TEST_TMPDIR/libtern.so"
  gate --head "tern=$BATS_TEST_TMPDIR/libtern.so"
  echo "$output"
  [ "$status" = 0 ] || [ "$status" = 3 ]   # a loaded machine may not be able to tell; it may not see red
  [[ "$output" != *"identical subject"* ]]
}

@test "the same file at another path: identical subject, exit 0" {
  cp "$TERN" "$BATS_TEST_TMPDIR/libtern.so"
  gate --head "tern=$BATS_TEST_TMPDIR/libtern.so"
  [ "$status" = 0 ]
  [[ "$output" == *"identical subject"* ]]
}

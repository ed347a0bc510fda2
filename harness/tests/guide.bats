#!/usr/bin/env bats
# Every recipe of the guide runs as it stands, and the guide names them all.

@test "each recipe has no mistake and measures what it says" {
  for suite in guide/*.lua; do
    [ "$suite" = guide/editor.lua ] && continue
    "$TERNMARK" check "$suite"
    local code=0
    "$TERNMARK" run "$suite" --budget 300ms --cell-timeout 20s --out "$BATS_TEST_TMPDIR/run.json" >"$BATS_TEST_TMPDIR/log" 2>&1 || code=$?
    case $suite in
      guide/gpu.lua) [ $code = 0 ] || { [ $code = 3 ] && grep -q skipped "$BATS_TEST_TMPDIR/log"; } ;;
      guide/targets.lua|guide/streams.lua) [ $code -le 1 ] && grep -q 'target ' "$BATS_TEST_TMPDIR/log" ;;
      *) [ $code = 0 ] && grep -q measured "$BATS_TEST_TMPDIR/log" ;;
    esac || { echo "$suite: exit $code"; cat "$BATS_TEST_TMPDIR/log"; false; }
  done
}

@test "the guide links every recipe, and nothing that is not there" {
  for suite in guide/*.lua; do grep -qF "]($(basename "$suite"))" guide/README.md || { echo "$suite"; false; }; done
  for file in $(grep -oE '\]\([^)#]+\)' guide/README.md | sed 's/](\(.*\))/\1/'); do [ -e "guide/$file" ] || { echo "$file"; false; }; done
}

@test "editors are told every field of a bench and every function of bench" {
  for field in $(sed -nE 's/^  \{ "([a-z]+)", .*/\1/p' harness/script/lua/fields.lua); do
    grep -qE "^---@field $field\\??( |$)" guide/editor.lua || { echo "field $field"; false; }
  done
  for name in $(sed -nE 's/^function bench\.([a-z0-9_]+)\(.*/\1/p' harness/script/lua/bench.lua); do
    grep -q "^function bench\\.$name(" guide/editor.lua || { echo "function $name"; false; }
  done
  luajit -bl guide/editor.lua >/dev/null 2>&1 || skip "no luajit program to read it with"
}

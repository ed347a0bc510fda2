#!/usr/bin/env bats
# Every recipe of the guide runs as it stands, and the guide names them all.

load machine

@test "each recipe has no mistake and measures what it says" {
  for suite in guide/*.lua; do
    [ "$suite" = guide/editor.lua ] && continue
    "$TERNMARK" check "$suite"
    run "$TERNMARK" run "$suite" --budget 300ms --cell-timeout 20s --out "$BATS_TEST_TMPDIR/run.json"
    case $suite in
      guide/gpu.lua) fine || { [ "$status" = 3 ] && [[ "$output" == *skipped* ]]; } ;;
      guide/targets.lua|guide/streams.lua) [[ "$status" = [013] && "$output" == *"target "* ]] ;;
      *) fine && [[ "$output" == *measured* ]] ;;
    esac || { echo "$suite: exit $status"; echo "$output"; false; }
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
  luacheck -q guide/editor.lua --only 0  # it can be read: errors of syntax alone
}

@test "the guide's program for history live is watched as it stands" {
  awk '/^```c$/ { inside = 1; next } /^```$/ { inside = 0 } inside' guide/live.md >"$BATS_TEST_TMPDIR/requests.c"
  cc -Wall -Werror -O1 -o "$BATS_TEST_TMPDIR/requests" "$BATS_TEST_TMPDIR/requests.c"
  export TERNMARK_STORE=sqlite:$BATS_TEST_TMPDIR/live.db
  run "$TERNMARK" history live -- "$BATS_TEST_TMPDIR/requests"
  echo "$output"
  [ "$status" = 0 ] && [[ "$output" == *"1 names, 1 points stored, 0 alerts; 1 names are new"* ]]
  run "$TERNMARK" history trend live/
  [ "$status" = 0 ] && [[ "$output" == *"live/request"* ]]
}

lua_block() {  # FILE WORDS: the first Lua block that holds these words
  awk -v words="$2" '/^```lua/ { inside = 1; text = ""; next } /^```/ { if (inside && index(text, words)) { printf "%s", text; exit } inside = 0 } inside { text = text $0 "\n" }' "$1"
}

@test "the README's first suite runs as it stands" {
  lua_block README.md 'about = "zlib crc32"' >"$BATS_TEST_TMPDIR/crc.lua"
  "$TERNMARK" check "$BATS_TEST_TMPDIR/crc.lua"
  "$TERNMARK" run "$BATS_TEST_TMPDIR/crc.lua" --budget 1s --out "$BATS_TEST_TMPDIR/run.json" || [ $? -eq 3 ]
  [ "$(python3 -c "import json; print({c['status'] for c in json.load(open('$BATS_TEST_TMPDIR/run.json'))['cells']})")" = "{'ok'}" ]
}

@test "the README's and the guide's own repository: new, run, and a slower function is red in its cells and no others" {
  readme=$PWD/README.md guide=$PWD/guide/README.md
  mkdir "$BATS_TEST_TMPDIR/own"; cd "$BATS_TEST_TMPDIR/own"
  git init -q -b main . && git config user.email test@example.org && git config user.name test
  lua_block "$readme" 'artifacts = { mylib' >ternmark.lua
  grep -q 'suites = "bench"' ternmark.lua
  run "$TERNMARK" new first --kind library
  [ "$status" = 0 ] && [ -e bench/first.lua ] && rm bench/first.lua
  lua_block "$guide" mylib_sum >bench/sum.lua
  sed 's/mylib_sum/mylib_mix/g; s/sum of bytes/mix of bytes/' bench/sum.lua >bench/mix.lua
  run "$TERNMARK" run
  [ "$status" = 2 ] && [[ "$output" == *"there is no artifact 'mylib': build it first"* ]]
  cat >mylib.c <<'C'
#include <stdint.h>
#include <stddef.h>
uint64_t mylib_sum(const uint8_t *data, size_t n) { uint64_t s = 0; for (size_t i = 0; i < n; i++) s += data[i]; return s; }
uint64_t mylib_mix(const uint8_t *data, size_t n) { uint64_t h = 1; for (size_t i = 0; i < n; i++) h = (h ^ data[i]) * 1099511628211u; return h; }
C
  printf 'build/libmylib.so: mylib.c\n\tmkdir -p build\n\tgcc -O2 -shared -fPIC -o $@ mylib.c\n' >Makefile
  printf 'build/\nreports/\n' >.gitignore
  make -s && "$TERNMARK" run --budget 1s || [ $? -eq 3 ]
  git add -A && git commit -qm first && git commit -q --allow-empty -m second
  sed -i '/mylib_mix/s/return h;/for (size_t i = 0; i < n \/ 5; i++) h = (h ^ data[i]) * 1099511628211u; return h;/' mylib.c
  git commit -qam "mix goes over the head again"
  run "$TERNMARK" gate
  [ "$status" = 1 ]
  [ "$(grep -c '^x regression .* mix/mix/bytes=' <<<"$output")" = 2 ]
  ! grep -q '^x regression .* sum/sum/' <<<"$output"
}

#!/usr/bin/env bats
# ternmark gate on a small C library in its own repository: verdicts and exit codes.

load gate_repository
load machine

setup() {
  export XDG_CACHE_HOME=$BATS_TEST_TMPDIR/cache
  make_repository "$BATS_TEST_TMPDIR/repo"
}

@test "run, list and check take artifacts and the folder of suites from ternmark.lua" {
  mkdir "$BATS_TEST_TMPDIR/project" && cd "$BATS_TEST_TMPDIR/project"
  mkdir bench
  printf 'int thing(int x) { return x + 1; }\n' | cc -shared -fPIC -x c - -o thing.so
  echo 'return { build = { "true" }, artifacts = { thing = "thing.so", absent = "none.so" }, suites = "bench" }' >ternmark.lua
  cat >bench/thing.lua <<'EOF'
local bench, ffi = require "bench", require "ffi"
ffi.cdef "int thing(int x);"
local lib = ffi.load(bench.artifact "thing")
return { run = function(_, n) local x = 0; for _ = 1, n do x = lib.thing(x) end; return x end }
EOF
  "$TERNMARK" check bench/thing.lua
  [[ "$("$TERNMARK" list)" == *"thing/thing"* ]]
  run "$TERNMARK" run --budget 300ms --out run.json
  fine
  echo 'return { artefacts = {} }' >ternmark.lua
  run "$TERNMARK" run --budget 300ms --out run.json
  [ "$status" = 2 ]
  [[ "$output" == *"artefacts"* ]]
}

@test "a change in a comment: identical subject, exit 0" {
  sed -i 's/mixes n words/mixes words/' sum.c; commit comment
  run "$TERNMARK" gate
  [ "$status" -eq 0 ]
  [[ $output == *"identical subject"* ]]
  [[ $output == *"PASS"* ]]
  [ -s reports/out/gate.json ] && [ -s reports/out/index.html ]
}

@test "-O1 against -O2: regression, exit 1, cells named" {
  sed -i 's|-O2|-O1|' Makefile; commit slower
  run "$TERNMARK" gate
  [ "$status" -eq 1 ]
  [[ $output == *regression*"sum/sum/words=64"* ]]
  [[ $output == *regression*"sum/sum/words=256"* ]]
}

@test "no history: first run, exit 0, and 3 under --strict; the same without git" {
  run "$TERNMARK" gate
  [ "$status" -eq 0 ]; [[ $output == *"first run, nothing to compare with"* ]]
  run "$TERNMARK" gate --strict
  [ "$status" -eq 3 ]
  rm -rf .git
  run "$TERNMARK" gate
  [ "$status" -eq 0 ]; [[ $output == *"first run"* ]]
}

@test "a base that does not build: exit 3 with the log's path" {
  cp sum.c good.c; echo 'int broken(' >>sum.c; commit broken
  mv good.c sum.c; commit mended
  run "$TERNMARK" gate
  [ "$status" -eq 3 ]
  [[ $output == *"does not build"*".log"* ]]
  log=$(grep -o '/[^ ]*\.log' <<<"$output" | head -1)
  grep -q error "$log"
}

@test "a base that cannot list its cells: exit 3" {
  echo 'return 7' >suites/sum.lua; commit broken
  git checkout -q HEAD^ -- suites/sum.lua; commit mended
  run "$TERNMARK" gate
  [ "$status" -eq 3 ]
  [[ $output == *"cannot list its cells"* ]]
}

@test "a head that does not build, a broken project file, a bad option: exit 2" {
  echo 'int broken(' >>sum.c
  run "$TERNMARK" gate
  [ "$status" -eq 2 ]; [[ $output == *"head does not build"* ]]
  git checkout -q sum.c
  for line in 'return { bild = {} }|bild' 'return { artifacts = { sum = "/abs" } }|artifacts' 'return { suites = "../x" }|suites' 'return 5|table' \
              'return { build = { } }|build' 'return {|ternmark.lua'; do
    echo "${line%%|*}" >ternmark.lua
    run "$TERNMARK" gate
    [ "$status" -eq 2 ] || { echo "$line: $status $output"; false; }
    [[ $output == *"${line##*|}"* ]]
  done
  git checkout -q ternmark.lua
  run "$TERNMARK" gate --base nowhere; [ "$status" -eq 2 ]
  run "$TERNMARK" gate --tolerance 0; [ "$status" -eq 2 ]
  run "$TERNMARK" gate --base sum=/nowhere.so; [ "$status" -eq 2 ]
}

@test "a cell that went, one that came: missing 4 (renamed?), new 0 and 4 under --strict" {
  sed -i 's/64, 256/64, 512/' suites/sum.lua; commit axis
  run "$TERNMARK" gate
  [ "$status" -eq 4 ]; [[ $output == *missing*"words=256"* ]]; [[ $output == *new*"words=512"* ]]
  git checkout -q HEAD^ -- suites; sed -i 's/64, 256/64, 256, 512/' suites/sum.lua; commit more
  git reset -q --soft HEAD~2 && git commit -qm more
  run "$TERNMARK" gate
  [ "$status" -eq 0 ]; [[ $output == *new*"words=512"* ]]
  run "$TERNMARK" gate --strict
  [ "$status" -eq 4 ]
}

@test "a suite renamed is missing and asks for the new name; a skip or a lost tag is missing" {
  git mv suites/sum.lua suites/mix.lua; commit rename
  run "$TERNMARK" gate
  [ "$status" -eq 4 ]; [[ $output == *"renamed to mix/mix/words=64?"* ]]
  git reset -q --hard HEAD^
  sed -i 's/tags = { "ci" }/tags = { "ci" }, skip = function(p) if p.words == 64 then return "slow" end end/' suites/sum.lua; commit skip
  run "$TERNMARK" gate
  [ "$status" -eq 4 ]; [[ $output == *"head skips what base measures"* ]]
}

@test "filtered to nothing: exit 3; filtered: PARTIAL, exit 4 under --strict; no suites: 3" {
  sed -i 's/mixes n words/mixes words/' sum.c; commit comment
  run "$TERNMARK" gate --filter nothing_is_called_so
  [ "$status" -eq 3 ]
  run "$TERNMARK" gate --filter words=64
  [ "$status" -eq 0 ]; [[ $output == *PARTIAL* ]]
  run "$TERNMARK" gate --filter words=64 --strict
  [ "$status" -eq 4 ]; [[ $output == *missing*"words=256"* ]]
  echo 'return { }' >suites/sum.lua; commit empty
  run "$TERNMARK" gate --strict
  [ "$status" -ge 3 ]
}

@test "a subject that crashes in head: failed, exit 4, with its signal; in base: not comparable, exit 3" {
  sed -i 's/    uint64_t h\[4\]/    *(volatile int *)8 = 1; uint64_t h[4]/' sum.c; commit crash
  run "$TERNMARK" gate
  [ "$status" -eq 4 ]; [[ $output == *failed* ]]; [[ $output == *SEGV* || $output == *ignal* ]]
  git checkout -q HEAD^ -- sum.c; commit mended
  run "$TERNMARK" gate
  [ "$status" -eq 3 ]; [[ $output == *"not comparable"* ]]; [[ $output == *"cannot run it"* ]]
}

@test "files against files, without building anything; a file against its copy passes" {
  make -s libsum.so; cp libsum.so copy.so; cp libsum.so other.so; printf '\0' >>other.so
  rm -f "$BATS_TEST_TMPDIR/cache"/* 2>/dev/null || true
  run "$TERNMARK" gate --base "sum=$PWD/copy.so" --head sum=libsum.so
  [ "$status" -eq 0 ]; [[ $output == *"identical subject"* ]]
  run "$TERNMARK" gate --base "sum=$PWD/other.so" --head sum=libsum.so
  [ "$status" -eq 0 ]; [[ $output != *"identical subject"* ]]
}

@test "a tolerance that head widens is judged by base's, and said" {
  sed -i 's/tags = { "ci" }/tags = { "ci" }, tolerance = 3.0/; s/, 256//' suites/sum.lua
  sed -i 's/, 256//' suites/sum.lua
  sed -i 's/r < rounds/r < rounds * 2/' sum.c; commit widen
  run "$TERNMARK" gate
  [ "$status" -eq 4 ] || [ "$status" -eq 1 ]
  [[ $output == *"head widens the tolerance"* ]]
  [[ $output == *regression*"words=64"* ]]
}

@test "an artifact that is asked for only in setup, or only by a command, is compared all the same" {
  make -s libsum.so; cp libsum.so other.so; printf '\0' >>other.so
  sed -i 's/^local lib = .*/local lib/; s/setup = function(p)/setup = function(p) lib = ffi.load(bench.artifact "sum");/; s/, 256//' suites/sum.lua
  "$TERNMARK" gate --base "sum=$PWD/other.so" --head sum=libsum.so --out gate.json || [ $? -eq 3 ]
  ! grep -q "identical subject" gate.json
  printf '#!/bin/sh\nexit 0\n' >one.sh; printf '#!/bin/sh\n:\nexit 0\n' >two.sh; chmod +x one.sh two.sh
  echo 'return { start = { command = { { artifact = "script" } } } }' >start.lua
  "$TERNMARK" gate start.lua --base "script=$PWD/one.sh" --head "script=$PWD/two.sh" --out gate.json || [ $? -eq 3 ]
  ! grep -q "identical subject" gate.json
}

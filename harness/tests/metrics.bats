# SPDX-License-Identifier: Apache-2.0
# Transcripts of metrics other than time that gate: peak memory of commands, P99 of streams, and what head may not drop.

bats_require_minimum_version 1.5.0
load gate_repository

setup() {
  export XDG_CACHE_HOME=$BATS_TEST_TMPDIR/cache
  make_repository "$BATS_TEST_TMPDIR/repository"
}

word() {  # METRIC: the paired verdict of the first cell
  python3 -c "
import json
print([v['verdict'] for v in json.load(open('gate.json'))['cells'][0]['verdicts'] if v['metric'] == '$1' and v['against'] == 'paired'][0])"
}

eater() {  # FILE MIB: a program that touches so much memory
  printf '#include <stdlib.h>\n#include <string.h>\nint main(void) { char *p = malloc(%d << 20); memset(p, 1, %d << 20); return p[7] - 1; }\n' "$2" "$2" >eater.c
  gcc -O0 -o "$1" eater.c
}

@test "a command that holds twice the memory is a regression of memory, one that holds as much passes" {
  echo 'return { eat = { command = { { artifact = "eater" } }, metrics = { memory = "5%" }, tolerance = 9 } }' >eat.lua
  eater small 8; eater large 16; eater other 8; printf '\0' >>other
  run "$TERNMARK" gate eat.lua --paired --base "eater=$PWD/small" --head "eater=$PWD/large" --out gate.json
  [ "$status" -eq 1 ]; [ "$(word memory)" = regression ]
  "$TERNMARK" gate eat.lua --paired --base "eater=$PWD/small" --head "eater=$PWD/other" --out gate.json || [ $? -eq 3 ]
  [ "$(word memory)" = pass ]
  "$TERNMARK" gate eat.lua --paired --base "eater=$PWD/large" --head "eater=$PWD/small" --out gate.json || [ $? -eq 3 ]
  [ "$(word memory)" = improved ]
}

@test "the gate checks absolute targets: a memory that is kept, one that is not" {
  eater small 8; eater other 8; printf '\0' >>other
  judge() {  # LIMIT
    echo "return { eat = { command = { { artifact = 'eater' } }, target = { memory = '$1' }, tolerance = 9 } }" >eat.lua
    run "$TERNMARK" gate eat.lua --paired --base "eater=$PWD/small" --head "eater=$PWD/other" --out gate.json
  }
  target() { python3 -c "import json; print([v['verdict'] for v in json.load(open('gate.json'))['cells'][0]['verdicts'] if v['against'] == 'target'])"; }
  judge 1GiB; [[ $status == [03] ]]; [ "$(target)" = "['pass']" ]
  judge 1MiB; [ "$status" -eq 1 ]; [ "$(target)" = "['regression']" ]
  echo "return { eat = { command = { '$PWD/small' }, target = { memory = '1MiB' }, tolerance = 9 } }" >eat.lua
  run "$TERNMARK" run eat.lua --budget 300ms --out base.json; [ "$status" -eq 1 ]
  run "$TERNMARK" gate eat.lua --stored --base base.json --budget 2s --out gate.json  # the base missed it as well, and it stays missed
  [ "$status" -eq 1 ]; [ "$(target)" = "['regression']" ]
}

@test "a stream of requests three times as slow: its P99 is judged over all lanes, and the faster one is never red" {
  cat >suites/sum.lua <<'L'
local bench, ffi = require "bench", require "ffi"
ffi.cdef "uint64_t mix(const uint64_t *words, size_t n, int rounds);"
local lib = ffi.load(bench.artifact "sum")
return { serve = {
  setup = function() return { words = ffi.new("uint64_t[?]", 4096, 3) } end,
  stream = { rate = 1000, requests = 800, request = function(s, n) for _ = 1, n do lib.mix(s.words, 4096, 4) end end },
  metrics = { p99 = "20%" }, tolerance = 9, tags = { "ci" },
} }
L
  make -s libsum.so; cp libsum.so base.so
  sed -i 's/r < rounds/r < rounds * 3/' sum.c; make -s libsum.so
  run "$TERNMARK" gate --paired --base "sum=$PWD/base.so" --head sum=libsum.so --out gate.json
  if [[ $output != *"other processes used"* ]]; then  # else the longest requests are those that waited for them, in both lanes
    [[ $status == [13] ]]
    [[ $(word p99) == regression || $(word p99) == unfit || $(word p99) == inconclusive ]]
  fi
  [[ $(word p99) != improved ]]
  "$TERNMARK" gate --paired --base "sum=$PWD/libsum.so" --head "sum=$PWD/base.so" --out gate.json || [ $? -eq 3 ]
  [[ $(word p99) != regression ]]
}

@test "a metric that head no longer gates is judged by base's tolerance, and said" {
  sed -i 's/tags = { "ci" }/tags = { "ci" }, metrics = { memory = "5%" }/' suites/sum.lua; git commit -qam gated
  sed -i 's/, metrics = { memory = "5%" }//' suites/sum.lua; sed -i 's/r < rounds/r < rounds + 1/' sum.c; git commit -qam ungated
  run "$TERNMARK" gate --out gate.json
  [[ $output == *"head widens or drops the tolerance of memory"* ]] || { echo "$output"; false; }
}

@test "an unknown metric, and a tolerance that is none, are mistakes with their place" {
  echo 'return { x = { command = { "true" }, metrics = { joy = 0.1 } } }' >bad.lua
  run "$TERNMARK" check bad.lua; [ "$status" -eq 2 ]; [[ $output == *"metrics.joy"* ]]
  echo 'return { x = { command = { "true" }, metrics = { memory = -1 } } }' >bad.lua
  run "$TERNMARK" check bad.lua; [ "$status" -eq 2 ]; [[ $output == *"metrics.memory"* ]]
}

stored() {  # METRIC: the verdict of the first cell against stored runs, in a comparison's JSON on stdin
  python3 -c "
import json, sys
print([v['verdict'] for v in json.load(sys.stdin)['cells'][0]['verdicts'] if v['metric'] == '$1' and v['against'] == 'stored'][0])"
}

@test "stored runs: memory and P99 that grew are red, the same ones are not, an absent one cannot be told" {
  cat >serve.lua <<'L'
local ffi = require "ffi"
return { serve = {
  setup = function() return ffi.new("double[?]", 4096, 3) end,
  stream = { rate = 2000, requests = 400, request = function(s, n) for _ = 1, n do for i = 1, 4095 do s[i] = s[i] + s[i - 1] * 1e-9 end end end },
  metrics = { p99 = "40%", memory = "5%", instructions = "1%" }, tolerance = 9,
} }
L
  "$TERNMARK" run serve.lua --out run.json >/dev/null || [ $? -eq 3 ]
  # Requests of known lengths on a machine that was fit: beside other work the machine's own tail is as long as what is to be seen.
  reseal run.json 'top["fitness"] = {"fit": True, "reasons": []}; r = top["cells"][0]["runs"][0]; r["samples_ns"] = [[400000 + 100 * i for i in range(len(g))] for g in r["samples_ns"]]'
  [ "$("$TERNMARK" compare run.json run.json --json | stored memory)" = pass ]
  [ "$("$TERNMARK" compare run.json run.json --json | stored p99)" != regression ]
  cp run.json worse.json
  reseal worse.json 'c = top["cells"][0]; c["metrics"]["memory"]["value"] *= 1.1; r = c["runs"][0]; r["samples_ns"] = [[100 * x for x in g] for g in r["samples_ns"]]
c["metrics"]["instructions"] = {"absent": "no counter"}'
  [ "$("$TERNMARK" compare run.json worse.json --json | stored memory)" = regression ]
  [ "$("$TERNMARK" compare worse.json run.json --json | stored memory)" = improved ]
  [ "$("$TERNMARK" compare run.json worse.json --json | stored p99)" = regression ]
  [ "$("$TERNMARK" compare run.json worse.json --json | stored instructions)" = inconclusive ]
  cp run.json silent.json; reseal silent.json 'del top["cells"][0]["gates"]; top["cells"][0]["metrics"]["memory"]["value"] *= 2'
  run "$TERNMARK" compare run.json silent.json; [ "$status" -eq 1 ]; [[ $output == *memory* ]]
}

@test "a baseline holds what its metrics were: a command that takes more memory is red against it" {
  cat >suites/sum.lua <<'L'
return { eat = { command = { { artifact = "sum" } }, metrics = { memory = "5%" }, tolerance = 9, tags = { "ci" } } }
L
  printf 'libsum.so:\n\tgcc -O0 -o $@ eater.c\n' >Makefile
  eater libsum.so 8; git add -A; git commit -qm eats
  "$TERNMARK" baseline record >/dev/null; git add -A; git commit -qm recorded
  eater libsum.so 16; git commit -qam "eats more"
  run "$TERNMARK" gate --stored --json
  [ "$(stored memory <<<"$output")" = regression ] || [ "$(stored memory <<<"$output")" = unfit ]
}

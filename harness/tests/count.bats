# SPDX-License-Identifier: Apache-2.0
# Transcripts of --count and --simulate: instructions, and misses of valgrind's model of caches and branches, as metrics of their own.

bats_require_minimum_version 1.5.0
load gate_repository

setup() {
  command -v valgrind >/dev/null || skip "valgrind is not installed"
  make_repository "$BATS_TEST_TMPDIR/repository"
  : "${TERNMARK:?the path of the program}"
}

counts() {  # RUN.json: the counts, one a line
  python3 -c "
import json, sys
for c in json.load(open('$1'))['cells']: print(c['id'], c['metrics']['instruction_count'])"
}

@test "run --count: exact, the same twice, and what it says is what the body does" {
  make -s libsum.so
  "$TERNMARK" run --count --out one.json || [ $? -eq 3 ]
  "$TERNMARK" run --count --out two.json || [ $? -eq 3 ]
  [ "$(counts one.json)" = "$(counts two.json)" ]
  python3 - <<'P'
import json
small, large = [c["metrics"]["instruction_count"]["value"] for c in json.load(open("one.json"))["cells"]]
assert 3.5 < large / small < 4.2, (small, large)  # four times the words
P
}

@test "run --count: what one call does besides, whichever it is, is not counted" {
  make -s libsum.so
  cat >one.lua <<'L'
local bench, ffi = require "bench", require "ffi"
ffi.cdef "uint64_t mix(const uint64_t *words, size_t n, int rounds);"
local lib = ffi.load(bench.artifact "sum")
return {
  axes = { { "at", { 0, 1, 2, 3, 4, 5, 6, 7, 8 } } },
  setup = function(p) return { words = ffi.new("uint64_t[?]", 64, 3), at = p.at, calls = 0 } end,
  run = function(s, n)
    s.calls = s.calls + 1
    for _ = 1, s.calls == s.at and 3 * n or n do lib.mix(s.words, 64, 4) end
  end,
}
L
  "$TERNMARK" run one.lua --count --artifact sum=libsum.so --budget 50ms --out one.json || [ $? -eq 3 ]
  counts one.json
  python3 - <<'P'
import json
values = [c["metrics"]["instruction_count"]["value"] for c in json.load(open("one.json"))["cells"]]
assert len(values) == 9 and min(values) > 500 and max(values) < 1.001 * min(values), values
P
}

@test "without --count there is no such metric; without valgrind it says so" {
  make -s libsum.so
  "$TERNMARK" run --out plain.json || [ $? -eq 3 ]
  ! grep -q instruction_count plain.json
  mkdir path; for p in taskset gzip; do ln -s "$(command -v $p)" path/; done
  PATH=$PWD/path "$TERNMARK" run --count --out none.json || [ $? -eq 3 ]
  [[ $(counts none.json) == *"valgrind is not installed"* ]]
}

@test "gate --count: three times the work is a regression of the count too, 1" {
  make -s libsum.so; cp libsum.so base.so
  sed -i 's/r < rounds/r < rounds * 3/' sum.c; make -s libsum.so
  run "$TERNMARK" gate --count --paired --base "sum=$PWD/base.so" --head sum=libsum.so
  [ "$status" -eq 1 ]
  [[ $output == *regression*instruction_count*paired*"sum/sum/words=64"* ]]
}

@test "gate --count: other bytes, the same instructions: the count passes" {
  make -s libsum.so; cp libsum.so other.so; printf '\0' >>other.so
  "$TERNMARK" gate --count --paired --base "sum=$PWD/other.so" --head sum=libsum.so --out gate.json || [ $? -eq 3 ]
  python3 - <<'P'
import json
for cell in json.load(open("gate.json"))["cells"]:
    verdict = [v for v in cell["verdicts"] if v["metric"] == "instruction_count"][0]
    assert (verdict["verdict"], verdict["ratio"], verdict["low"], verdict["high"]) == ("pass", 1, 1, 1), verdict
P
}

@test "gate --count: more in one process and not in the next is not a regression of the count" {
  cat >>sum.c <<'C'
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
/* 8 in the first of head's processes that valgrind runs, 4 in any other */
int rounds_here(void)
{
    char line[4096];
    int counted = 0, head = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps)) {
        counted |= strstr(line, "vgpreload") != NULL;
        head |= strstr(line, "libsum.so") != NULL;
    }
    if (maps)
        fclose(maps);
    return counted && head && open("counted", O_CREAT | O_EXCL, 0600) >= 0 ? 8 : 4;
}
C
  make -s libsum.so; cp libsum.so other.so; printf '\0' >>other.so
  cat >suites/sum.lua <<'L'
local bench, ffi = require "bench", require "ffi"
ffi.cdef "uint64_t mix(const uint64_t *words, size_t n, int rounds); int rounds_here(void);"
local lib = ffi.load(bench.artifact "sum")
return {
  setup = function() return { words = ffi.new("uint64_t[?]", 64, 3), rounds = lib.rounds_here() } end,
  run = function(s, n) for _ = 1, n do lib.mix(s.words, 64, s.rounds) end end,
  tags = { "ci" },
}
L
  "$TERNMARK" gate --count --paired --base "sum=$PWD/other.so" --head sum=libsum.so --out gate.json || [ $? -eq 3 ]
  [ -f counted ]
  python3 - <<'P'
import json
verdict, = [v for v in json.load(open("gate.json"))["cells"][0]["verdicts"] if v["metric"] == "instruction_count"]
assert (verdict["verdict"], verdict["ratio"]) == ("pass", 1), verdict
P
}

@test "a command is not counted, and says why" {
  cat >two.lua <<'L'
return { start = { command = { "true" } } }
L
  "$TERNMARK" run two.lua --count --out run.json || [ $? -eq 3 ]
  [[ $(counts run.json) == *"a command runs outside of the counter"* ]]
}

walks() {  # a library with two bodies: one load a line of a block, and a branch on each random byte of it
  cat >walk.c <<'C'
#include <stdint.h>
#include <stdlib.h>
struct walk { uint8_t *data; uint64_t bytes; };
struct walk *walk_make(uint64_t bytes)
{
    struct walk *w = malloc(sizeof *w);
    uint64_t x = 1;
    w->data = malloc(bytes);
    w->bytes = bytes;
    for (uint64_t i = 0; i < bytes; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        w->data[i] = (uint8_t)(x >> 56);
    }
    return w;
}
volatile uint64_t sink;
void walk_lines(void *p, uint64_t n)
{
    struct walk *w = p;
    uint64_t s = 0;
    while (n--)
        for (uint64_t i = 0; i < w->bytes; i += STEP)
            s += *(volatile uint8_t *)(w->data + i);
    sink = s;
}
void walk_branch(void *p, uint64_t n)
{
    struct walk *w = p;
    uint64_t s = 0;
    while (n--)
        for (uint64_t i = 0; i < w->bytes; i++)
            if (*(volatile uint8_t *)(w->data + i) & 1)
                __asm__ volatile("" : "+r"(s));
            else
                s += 3;
    sink = s;
}
#ifdef ALONE
int main(int argc, char **argv) { (void)argc; (argv[1][0] == 'l' ? walk_lines : walk_branch)(walk_make(strtoull(argv[2], 0, 10)), strtoull(argv[3], 0, 10)); }
#endif
C
  cat >walk.lua <<'L'
local bench, ffi = require "bench", require "ffi"
ffi.cdef [[ struct walk; struct walk *walk_make(uint64_t bytes); void walk_lines(void *, uint64_t); void walk_branch(void *, uint64_t); ]]
local lib = ffi.load(bench.artifact "walk")
local function make(p) return lib.walk_make(p.bytes) end
return {
  lines = { axes = { { "bytes", { 4096, 4194304 } } }, setup = make, run = bench.native(lib.walk_lines) },
  branch = { axes = { { "bytes", { 4096 } } }, setup = make, run = bench.native(lib.walk_branch) },
}
L
  gcc -O1 -DSTEP=64 -shared -fPIC -o libwalk.so walk.c
}

@test "run --simulate says of a body what cachegrind says of a program that differs by it, and that it is simulated" {
  walks
  gcc -O1 -DSTEP=64 -DALONE -o alone walk.c
  "$TERNMARK" run walk.lua --artifact walk=libwalk.so --budget 1s --simulate --out run.json || [ $? -eq 3 ]
  for n in 4 8; do
    for of in "lines 4096" "lines 4194304" "branch 4096"; do
      # shellcheck disable=SC2086  # body and size
      valgrind --tool=cachegrind --branch-sim=yes --cachegrind-out-file=/dev/null ./alone $of $n >"${of// /-}.$n" 2>&1
    done
  done
  python3 - <<'P'
import json, re
def seen(name, n, what):
    with open(f"{name}.{n}") as file: return int(re.search(what + r": +([\d,]+)", file.read())[1].replace(",", ""))
for cell in json.load(open("run.json"))["cells"]:
    metrics, name = cell["metrics"], cell["id"].split("/", 1)[1].replace("/bytes=", "-")
    assert all("simulated" in metric.get("unit", "simulated") for key, metric in metrics.items() if key.startswith("simulated_"))
    for what, metric in (("D1  misses", "simulated_l1_misses"), ("LLd misses", "simulated_ll_misses"), ("Mispredicts", "simulated_branch_misses")):
        cachegrind = (seen(name, 8, what) - seen(name, 4, what)) / 4
        assert abs(metrics[metric]["value"] - cachegrind) <= 2 + 0.001 * cachegrind, (name, metric, metrics[metric], cachegrind)
    if name == "lines-4194304": assert metrics["simulated_l1_hit_rate"]["value"] < 0.01, metrics
    if name == "lines-4096": assert metrics["simulated_l1_hit_rate"]["value"] > 0.99 and "absent" in metrics["simulated_ll_hit_rate"], metrics
    if name == "branch-4096": assert metrics["simulated_branch_miss_rate"]["value"] > 0.2, metrics
    assert "instruction_count" not in metrics
P
}

@test "gate --simulate: steps of half a line miss as often, twice as many lines miss twice as often: the misses have verdicts" {
  walks
  gcc -O1 -DSTEP=128 -shared -fPIC -o base.so walk.c
  "$TERNMARK" gate walk.lua --set bytes=4194304 --filter lines --simulate --paired --base "walk=$PWD/base.so" --head walk=libwalk.so --out more.json || [ $? -eq 1 ]
  gcc -O1 -DSTEP=32 -shared -fPIC -o base.so walk.c
  "$TERNMARK" gate walk.lua --set bytes=4194304 --filter lines --simulate --paired --base "walk=$PWD/base.so" --head walk=libwalk.so --out same.json || [ $? -lt 4 ]
  python3 - <<'P'
import json
for file, word in (("more.json", "regression"), ("same.json", "pass")):
    cell = [c for c in json.load(open(file))["cells"] if c["status"] == "ok"][0]
    verdicts = {v["metric"]: v["verdict"] for v in cell["verdicts"]}
    assert verdicts["simulated_l1_misses"] == word, (file, cell["verdicts"])
P
}

@test "a backend that valgrind does not run is not available, never another's figures" {
  : "${TERN:?the path of the engine}"
  grep -q avx512_vnni /proc/cpuinfo || skip "this processor has no AVX-512 VNNI"
  cat >own.lua <<'L'
local tern = require "tern"
return { axes = { { "backend", { "avx512vnni" } }, { "batch", { 1 } }, { "shape", { "256x256" } } }, setup = function(p) return tern.bind("bitlinear", p) end, run = tern.run }
L
  "$TERNMARK" run own.lua --artifact "tern=$TERN" --budget 1s --simulate --out run.json || [ $? -eq 3 ]
  python3 - <<'P'
import json
metrics = json.load(open("run.json"))["cells"][0]["metrics"]
mine = {key: metric for key, metric in metrics.items() if key.startswith("simulated_")}
assert len(mine) == 6 and all("valgrind" in metric["absent"] and "value" not in metric for metric in mine.values()), mine
P
}

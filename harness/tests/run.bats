# SPDX-License-Identifier: Apache-2.0
# Transcripts of list, check, new, doctor and run: what they print, what they exit with, and what is left when things go wrong.

bats_require_minimum_version 1.5.0
load machine

setup() {
  cd "$BATS_TEST_TMPDIR" || return 1
  unset TERN_BACKEND
  : "${TERNMARK:?the path of the program}"
}

suite() { cat >"$1.lua"; }

body='function(_, n) local x = 0; for i = 1, n do x = x + i * i % 7 end; return x end'

good() {  # NAME: a suite with one axis of three values
  suite "$1" <<EOF
return { axes = { { "k", { 1, 2, 3 } } }, run = $body }
EOF
}

json() { python3 -c "import json,sys; r=json.load(open('$1')); print($2)"; }

no_worker_is_left() {
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    pgrep -s 0 -f -- --as-worker >/dev/null || return 0
    sleep 0.1
  done
  return 1
}

# ---- list

@test "list prints ids in declared order, skipped ones only with --why" {
  suite demo <<EOF
return { axes = { { "z", { "b", "a" } }, { "n", { 1, 2 } } }, run = $body,
  skip = function(p) if p.z == "a" and p.n == 2 then return "no room" end end }
EOF
  run --separate-stderr "$TERNMARK" list demo.lua
  [ "$status" -eq 0 ]
  [ "$output" = $'demo/demo/z=b/n=1\ndemo/demo/z=b/n=2\ndemo/demo/z=a/n=1' ]
  [[ "$stderr" == *"3 cells, 1 skipped, 0 not selected, 0 broken"* ]]
  run --separate-stderr "$TERNMARK" list demo.lua --why
  [[ "$output" == *"demo/demo/z=a/n=2  skipped: no room"* ]]
}

@test "list --why tells what the suite knows of how a cell is done, and asks only then" {
  suite demo <<EOF
return { axes = { { "n", { 1, 2, 3 } } }, run = $body, skip = function(p) if p.n == 2 then return "no room" end end,
  why = function(p) if p.n == 1 then return "kernel of one" end end }
EOF
  run --separate-stderr "$TERNMARK" list demo.lua
  [ "$output" = $'demo/demo/n=1\ndemo/demo/n=3' ]
  run --separate-stderr "$TERNMARK" list demo.lua --why
  [ "$output" = $'demo/demo/n=1  chosen: kernel of one\ndemo/demo/n=2  skipped: no room\ndemo/demo/n=3' ]
  echo "return { axes = { { 'n', { 1 } } }, run = $body, why = function() return 7 end }" >wrong.lua
  run "$TERNMARK" list wrong.lua
  [ "$status" -eq 0 ]
  run "$TERNMARK" list wrong.lua --why
  [ "$status" -eq 2 ]
  [[ "$output" == *"field 'why': expected a text or nil, found number 7"* ]]
}

@test "list --json is an array of cells" {
  good demo
  "$TERNMARK" list demo.lua --json >cells.json
  [ "$(json cells.json "len(r), r[0]['id'], r[2]['params']")" = "3 demo/demo/k=1 {'k': 3}" ]
}

@test "list of nothing is 3: an empty suite, a filter that matches nothing" {
  echo 'return {}' >none.lua
  run "$TERNMARK" list none.lua
  [ "$status" -eq 3 ]
  good demo
  run "$TERNMARK" list demo.lua --filter nothing
  [ "$status" -eq 3 ]
}

@test "--filter and --set select, and say what they do not know" {
  good demo
  run --separate-stderr "$TERNMARK" list demo.lua --filter 'k=[12]$'
  [ "${#lines[@]}" -eq 2 ]
  run --separate-stderr "$TERNMARK" list demo.lua --set k=3,1
  [ "$output" = $'demo/demo/k=1\ndemo/demo/k=3' ]
  run "$TERNMARK" list demo.lua --set k=4
  [ "$status" -eq 2 ]
  [[ "$output" == *"(1,2,3), found '4'"* ]]
  run "$TERNMARK" list demo.lua --filter '(('
  [ "$status" -eq 2 ]
}

@test "a missing file, two suites of one name and an odd file name are 2" {
  run "$TERNMARK" list nowhere.lua
  [ "$status" -eq 2 ]
  [[ "$output" == *"nowhere.lua: No such file"* ]]
  mkdir a b; good a/same; good b/same
  run "$TERNMARK" list a/same.lua b/same.lua
  [ "$status" -eq 2 ]
  [[ "$output" == *"two suites have the name 'same'"* ]]
  good 'odd name'
  run "$TERNMARK" list 'odd name.lua'
  [ "$status" -eq 2 ]
}

@test "a suite that takes its worker down while it is loaded is one failed cell, the others are listed" {
  good demo
  echo 'require("ffi").cast("int *", 0)[0] = 1' >crash.lua
  echo 'while true do end' >loop.lua
  run "$TERNMARK" list crash.lua demo.lua loop.lua --why --cell-timeout 300ms
  [ "$status" -eq 4 ]
  [[ "$output" == *"crash/crash  broken: while it was loaded: killed by SIGSEGV"* ]]
  [[ "$output" == *"loop/loop  broken: while it was loaded: hung"* ]]
  [[ "$output" == *"demo/demo/k=3"* ]]
}

# ---- check, new, doctor

@test "check lists every mistake with file, line, field, expected and found" {
  suite wrong <<'EOF'
return {
  about = 7,
  axes = { { "n", {} } },
  colour = "red",
  run = function() end,
}
EOF
  run "$TERNMARK" check wrong.lua
  [ "$status" -eq 2 ]
  [[ "$output" == *"wrong.lua:2: field 'about': expected one line of text, found number 7"* ]]
  [[ "$output" == *"wrong.lua:3: field 'axes[1][2]': expected a list"* ]]
  [[ "$output" == *"wrong.lua:4: field 'colour': expected a field of a bench"* ]]
  run --separate-stderr "$TERNMARK" check wrong.lua --json
  [ "$status" -eq 2 ]
  echo "$output" >mistakes.json
  [ "$(json mistakes.json "sorted(m['line'] for m in r)")" = "[2, 3, 4]" ]
}

@test "check finds what a suite's functions do wrong, and passes a right one" {
  suite late <<EOF
return { axes = { { "n", { 1 } } }, run = $body, tags = function() return { 3 } end }
EOF
  run "$TERNMARK" check late.lua
  [ "$status" -eq 2 ]
  [[ "$output" == *"field 'tags'"* ]]
  good demo
  run "$TERNMARK" check demo.lua
  [ "$status" -eq 0 ]
  run "$TERNMARK" check
  [ "$status" -eq 2 ]
}

@test "check finds globals that are not there, bodies that ignore n, and axes that do nothing" {
  cat >habits.lua <<'EOF'
local function sum(a, b) return a + missing(b) end
return {
  one   = { axes = { { "size", { 1, 2 } }, { "kind", { "a" } }, { "idle", { 1, 2 } } },
            run = function(_, n, p) local x = 0; for i = 1, n do x = sum(x, p.size + i) end; return x end },
  two   = { run = function() counter = 1 end },
}
EOF
  run "$TERNMARK" check habits.lua
  [ "$status" -eq 2 ]
  [[ "$output" == *"habits.lua:1: field 'missing': expected a local variable or one of the standard library, found an unknown global"* ]]
  [[ "$output" == *"habits.lua:5: field 'counter': expected a local variable, found a write to a global"* ]]
  [[ "$output" == *"habits.lua:5: field 'run': expected a body that does its work n times, found no second argument"* ]]
  [[ "$output" == *"habits.lua:3: warning: field 'kind': expected an axis that varies, found one value"* ]]
  [[ "$output" == *"habits.lua:3: warning: field 'idle': expected an axis that some function reads, found none that does"* ]]
  [[ "$output" != *"'size'"* ]]
}

@test "check says nothing of axes where parameters are handed on whole, and warnings are no mistakes" {
  cat >whole.lua <<'EOF'
local function make(p) return p end
return { axes = { { "size", { 1, 2 } } }, setup = function(p) return make(p) end, run = function(_, n) for _ = 1, n do end end }
EOF
  run "$TERNMARK" check whole.lua
  [ "$status" -eq 0 ]
  [ "$output" = "whole.lua: no mistakes" ]
  sed -i 's/{ 1, 2 }/{ 1 }/; s/^return/local idle\nreturn/' whole.lua
  run "$TERNMARK" check whole.lua
  [ "$status" -eq 0 ]
  [[ "$output" == *"no mistakes, but:"*"'size'"* ]]
  command -v luacheck >/dev/null || skip "luacheck is not installed"
  [[ "$output" == *"whole.lua:2: warning: unused variable 'idle'"* ]]
}

@test "new writes suites that pass check, and never over a file" {
  for kind in lua library command stream gpu native; do
    [ -e "$TERN" ] || case $kind in gpu | native) continue ;; esac
    run "$TERNMARK" new "made_$kind" --kind "$kind"
    [ "$status" -eq 0 ]
    run "$TERNMARK" check "suites/made_$kind.lua"
    [ "$status" -eq 0 ]
  done
  run "$TERNMARK" new made_lua --kind lua
  [ "$status" -eq 2 ]
  [[ "$output" == *"File exists"* ]]
  run "$TERNMARK" new other --kind nothing
  [ "$status" -eq 2 ]
  [[ "$output" == *"expected one of command, gpu, library, lua, native, stream"* ]]
}

@test "new's native suite runs on the engine" {
  [ -e "$TERN" ] || skip "no engine was built"
  "$TERNMARK" new ./native --kind native
  run "$TERNMARK" run native.lua --filter 'batch=1/shape=768' --budget 300ms --out r.json
  fine
  [ "$(json r.json "all(c['status'] == 'ok' and c['backend'] == c['params']['backend'] and c['work']['ops'] > 0 for c in r['cells'] if c['status'] != 'not selected')")" = True ]
}

@test "doctor says what it found and what to do about it" {
  run "$TERNMARK" doctor
  [ "$status" -eq 0 ] || [ "$status" -eq 3 ]
  [[ "$output" == *"hardware key"* ]]
  [[ "$output" == *"stolen time"* ]]
  "$TERNMARK" doctor --json >d.json || true
  [ "$(json d.json "all((c['advice'] is not None) == (c['state'] in ('bad', 'note')) for c in r['checks']) and len(r['checks']) > 8")" = True ]
}

@test "doctor lists the cards as CUDA counts them, and which one is chosen" {
  stub=$(dirname "$TERNMARK")/harness/tests/stub_nvml.so; [ -e "$stub" ] || skip "no stub of NVML was built"
  export TERNMARK_NVML=$stub
  TERN_CUDA_DEVICE=1 "$TERNMARK" doctor --json >d.json || true
  [ "$(json d.json "[(c['ordinal'], c['uuid'], c['chosen']) for c in r['cards']] == [(0, 'GPU-first', False), (1, 'GPU-stub', True)]")" = True ]
  CUDA_VISIBLE_DEVICES=GPU-stub run "$TERNMARK" doctor
  [[ "$output" == *"card 0        stub card, 80 GiB, GPU-stub, where ops run"* ]]
  [[ "$output" != *"card 1"* ]]
  CUDA_VISIBLE_DEVICES='' run "$TERNMARK" doctor
  [[ "$output" == *"cards         none: NVML: finding the card"* ]]
}

# ---- run

@test "what a bench observes becomes metrics over time, and a wrong answer fails its cell alone" {
  suite seen <<EOF
return {
  good = { setup = function() return { t = 0 } end, run = $body, observe = function(s) s.t = s.t + 1; return { held_bytes = 1000 * s.t } end },
  bad  = { run = $body, observe = function() return { x = "many" } end },
}
EOF
  run "$TERNMARK" run seen.lua --budget 400ms --out r.json
  [ "$status" -eq 4 ]
  [[ "$output" == *"field 'observe.x': expected a number, found nothing"* ]]
  [ "$(json r.json "[(c['metrics']['held_bytes']['unit'], len(c['metrics']['held_bytes']['series']) > 3, c['metrics']['held_bytes']['value'] >= 1000) for c in r['cells'] if c['status'] == 'ok']")" = "[('bytes', True, True)]" ]
}

@test "run writes a whole result: samples of each generation, metrics, work, hash" {
  suite demo <<EOF
return { axes = { { "k", { 1, 2 } } }, run = $body, work = { items = 1 }, tags = { "ci" }, tolerance = 0.1 }
EOF
  run "$TERNMARK" run demo.lua --out r.json
  fine
  [ "$(json r.json "r['complete'], r['exit'] in (0, 3), len(r['cells'])")" = "True True 2" ]
  [ "$(json r.json "[len(g) for g in r['cells'][0]['runs'][0]['samples_ns']]")" = "[20, 20, 20]" ]
  [ "$(json r.json "r['cells'][1]['compiled'], r['cells'][1]['tolerance'], r['cells'][1]['tags']")" = "True 0.1 ['ci']" ]
  [ "$(json r.json "{'context_switches', 'cpu', 'memory', 'overhead', 'page_faults', 'cycles'} <= set(r['cells'][0]['metrics'])")" = True ]
  [ ! -e r.json.journal ]
}

@test "three small benches are measured within a budget of 50 ms" {
  suite three <<EOF
local body = $body
return { a = { run = body }, b = { run = body }, c = { run = body } }
EOF
  run "$TERNMARK" run three.lua --budget 50ms --out r.json
  [ "$status" -eq 0 ] || [ "$status" -eq 3 ]
  [ "$(json r.json "[c['status'] for c in r['cells']]")" = "['ok', 'ok', 'ok']" ]
}

@test "the same seed gives the same order, and ids do not depend on it" {
  good demo
  "$TERNMARK" run demo.lua --seed 5 --budget 60ms --out a.json >/dev/null || [ $? -eq 3 ]
  "$TERNMARK" run demo.lua --seed 6 --budget 60ms --out b.json >/dev/null || [ $? -eq 3 ]
  [ "$(json a.json "[c['id'] for c in r['cells']]")" = "$(json b.json "[c['id'] for c in r['cells']]")" ]
}

@test "nothing measured is never 0" {
  echo 'return {}' >none.lua
  run "$TERNMARK" run none.lua --out r.json
  [ "$status" -eq 3 ]
  good demo
  run "$TERNMARK" run demo.lua --filter nothing --out r.json
  [ "$status" -eq 3 ]
  suite skipped <<EOF
return { run = $body, skip = function() return "not today" end }
EOF
  run "$TERNMARK" run skipped.lua --out r.json
  [ "$status" -eq 3 ]
}

@test "a mistake in a suite is 2 before anything is measured, and nothing is written" {
  good demo
  echo 'return { run = 1 }' >wrong.lua
  run "$TERNMARK" run demo.lua wrong.lua --out r.json
  [ "$status" -eq 2 ]
  [[ "$output" == *"wrong.lua:1: field 'run'"* ]]
  [ ! -e r.json ]
}

@test "whatever a subject does costs its cell alone: the others are measured, exit 4" {
  cat >hostile.lua <<EOF
local ffi = require "ffi"
ffi.cdef [[ void exit(int); int close(int); int raise(int); int fork(void); int setsid(void); unsigned sleep(unsigned);
  long write(int, const void *, unsigned long); int kill(int, int); void *malloc(unsigned long); ]]
local C = ffi.C
local function bench(run) return { run = run } end
return {
  a_good = bench($body),
  segfault = bench(function() ffi.cast("int *", 0)[0] = 1 end),
  loop = bench(function() while true do end end),
  exits = bench(function() C.exit(0) end),
  os_exit = bench(function() os.exit(0) end),
  shouts = bench(function() error(("x"):rep(2^26)) end),
  eats = bench(function() while true do ffi.cast("char *", C.malloc(2^24))[2^24 - 1] = 1 end end),
  eats_lua = bench(function() local t = {}; for i = 1, 1e9 do t[i] = ("x"):rep(2^20) .. i end end),
  stops = bench(function() C.raise(19) end),
  closes = bench(function() for fd = 3, 300 do C.close(fd) end; error "closed" end),
  forges = bench(function() for fd = 3, 300 do C.write(fd, '{"answer":{}}', 13) end; error "forged" end),
  leaves = bench(function() if C.fork() == 0 then C.setsid(); C.sleep(1000) end; error "left" end),
  prints = bench(function() for _ = 1, 100 do C.write(1, ("y"):rep(2^20), 2^20) end; error "printed" end),
  nan = { run = $body, work = function() return { ops = 0 / 0 } end },
  wrong = { run = $body, check = function() return nil, "off by one" end },
  z_good = bench($body),
}
EOF
  run "$TERNMARK" run hostile.lua --cell-timeout 2s --memory-limit 300MiB --budget 20s --out r.json
  [ "$status" -eq 4 ]
  [ "$(json r.json "[c['bench'] for c in r['cells'] if c['status'] == 'ok']")" = "['a_good', 'z_good']" ]
  [ "$(json r.json "len([c for c in r['cells'] if c['status'] == 'failed'])")" = 14 ]
  [ "$(json r.json "[len(c['runs'][0]['samples_ns']) >= 2 for c in r['cells'] if c['runs']]")" = "[True, True]" ]
  reason() { json r.json "[c['reason'] for c in r['cells'] if c['bench'] == '$1'][0]"; }
  [ "$(reason segfault)" = "killed by SIGSEGV" ]
  [[ "$(reason loop)" == "hung: no answer within 2 s (--cell-timeout)"* ]]
  [ "$(reason exits)" = "ended its process with exit status 0" ]
  [[ "$(reason eats)" == "killed by SIGSEGV (held "*" of --memory-limit 300 MiB)" ]]
  [ "$(reason eats_lua)" = "not enough memory" ]
  [[ "$(reason stops)" == hung* ]]
  [ "$(reason wrong)" = "wrong result: off by one" ]
  [[ "$(reason forges)" == *"not a result"* ]]
  no_worker_is_left
  ! pgrep -f 'sleep 1000'
}

@test "kill -9 at any moment loses no finished generation, and --resume goes on" {
  suite many <<EOF
return { axes = { { "k", { 1, 2, 3, 4, 5, 6, 7, 8 } } }, run = $body }
EOF
  for delay in 0.15 0.4; do
    "$TERNMARK" run many.lua --out r.json >/dev/null 2>&1 3>&- &
    victim=$!
    sleep "$delay"
    kill -9 "$victim"
    wait "$victim" || true
    no_worker_is_left
    [ -e r.json.journal ]
    kept=$(($(wc -l <r.json.journal) - 1))
    run "$TERNMARK" run --resume r.json
    fine
    [ "$(json r.json "r['complete'], len(r['cells']), {len(c['runs'][0]['samples_ns']) for c in r['cells']}")" = "True 8 {3}" ]
    [ ! -e r.json.journal ]
    [ "$kept" -ge 0 ]
    rm r.json
  done
}

@test "--resume measures only what is missing: what the journal holds stays as it is" {
  suite many <<EOF
return { axes = { { "k", { 1, 2, 3, 4 } } }, run = $body }
EOF
  "$TERNMARK" run many.lua --out r.json >/dev/null 2>&1 3>&- &
  victim=$!
  for _ in $(seq 100); do [ "$(grep -c . r.json.journal 2>/dev/null)" -gt 3 ] && break; sleep 0.01; done
  kill -9 "$victim"
  wait "$victim" || true
  cp r.json.journal before.journal
  printf '{"cell":"many/many/k=1","gener' >>r.json.journal  # torn by the kill
  "$TERNMARK" run --resume r.json.journal || [ $? -eq 3 ]
  python3 - <<'EOF'
import json
kept = [json.loads(l) for l in open('before.journal')][1:]
r = {c['id']: c for c in json.load(open('r.json'))['cells']}
for line in kept:
    g = line['generation']
    i = g['number']
    assert r[line['cell']]['runs'][0]['samples_ns'][i] == g['samples_ns'], line['cell']
assert len(kept) >= 2
EOF
}

@test "--resume of a suite that was changed measures its cells again; of nothing is 2" {
  good demo
  "$TERNMARK" run demo.lua --out r.json >/dev/null 2>&1 3>&- &
  victim=$!
  for _ in $(seq 100); do [ "$(grep -c . r.json.journal 2>/dev/null)" -gt 2 ] && break; sleep 0.01; done
  kill -9 "$victim"
  wait "$victim" || true
  sed -i 's/% 7/% 11/' demo.lua
  run "$TERNMARK" run --resume r.json
  fine
  [ "$(json r.json "{len(c['runs'][0]['samples_ns']) for c in r['cells']}")" = "{3}" ]
  run "$TERNMARK" run --resume nothing.json
  [ "$status" -eq 2 ]
}

@test "Ctrl-C ends within a second with an incomplete file and 130; the file can be gone on with" {
  suite slow <<'EOF'
return { axes = { { "k", { 1, 2, 3 } } }, command = { "sleep", "0.31415" } }
EOF
  "$TERNMARK" run slow.lua --out r.json >/dev/null 2>&1 3>&- &
  victim=$!
  sleep 0.7
  begun=$(date +%s%N)
  kill -INT "$victim"
  code=0; wait "$victim" || code=$?
  took=$(($(date +%s%N) - begun))
  [ "$code" -eq 130 ]
  [ "$took" -lt 1000000000 ]
  [ "$(json r.json "r['complete'], r['exit']")" = "False 130" ]
  [ -e r.json.journal ]
  no_worker_is_left
  ! pgrep -f "sleep 0.31415"
}

@test "the output is checked before measuring, and an old file stays whole" {
  good demo
  echo precious >old.json
  run "$TERNMARK" run demo.lua --out /no/such/folder/r.json
  [ "$status" -eq 2 ]
  run "$TERNMARK" run demo.lua --out old.json --format nonsense=x
  [ "$status" -eq 2 ]
  [ "$(cat old.json)" = precious ]
  [ ! -e /no/such/folder ]
}

@test "an earlier run's journal is kept, not overwritten" {
  good demo
  echo '{"half":"a run"}' >r.json.journal
  run "$TERNMARK" run demo.lua --budget 50ms --out r.json
  fine
  [ "$(cat r.json.journal.kept)" = '{"half":"a run"}' ]
}

@test "compare and target stand in the result; a missed target is 1" {
  suite judged <<'EOF'
local function work(k) return function(_, n) local x = 0; for i = 1, n * k do x = x + i * i % 7 end; return x end end
return { axes = { { "k", { 1, 2 } } }, command = { "true" }, compare = { axis = "k", base = 1 }, target = { time = "10s", p99 = "1ns" } }
EOF
  run "$TERNMARK" run judged.lua --budget 200ms --out r.json
  [ "$status" -eq 1 ]
  [ "$(json r.json "[(v['metric'], v['verdict']) for v in r['cells'][0]['verdicts']]")" = "[('p99', 'regression'), ('time', 'pass')]" ]
  [ "$(json r.json "r['cells'][1]['metrics']['speedup']['unit']")" = "x against k=1" ]
}

@test "targets: met is 0, missed is 1, too few samples to tell is 3; throughput is at least" {
  suite met <<EOF
return { run = $body, work = { items = 1 }, target = { throughput = 1, memory = "10GiB", p95 = "10s", time = "10s" } }
EOF
  run "$TERNMARK" run met.lua --budget 300ms --out r.json
  fine
  [ "$(json r.json "[(v['metric'], v['verdict']) for v in r['cells'][0]['verdicts']]")" = "[('memory', 'pass'), ('p95', 'pass'), ('throughput', 'pass'), ('time', 'pass')]" ]
  suite missed <<EOF
return { run = $body, work = { items = 1 }, target = { throughput = 1e15, memory = "1KiB", p95 = "10s" } }
EOF
  run "$TERNMARK" run missed.lua --budget 300ms --out r.json
  [ "$status" -eq 1 ]
  [ "$(json r.json "[(v['metric'], v['verdict']) for v in r['cells'][0]['verdicts']]")" = "[('memory', 'regression'), ('p95', 'pass'), ('throughput', 'regression')]" ]
  suite few <<'EOF'
return { command = { "sh", "-c", "echo >> n; [ $(wc -l < n) = 9 ] && sleep 0.6; sleep 0.02" }, target = { p99 = "300ms" } }
EOF
  run "$TERNMARK" run few.lua --budget 800ms --out r.json
  [ "$status" -eq 3 ]
  [ "$(json r.json "[(v['metric'], v['verdict'], v['reason']) for v in r['cells'][0]['verdicts']]")" = "[('p99', 'inconclusive', 'beyond it by the estimate, but so few samples bound no such quantile')]" ]
}

@test "an interpreted Lua loop is labelled" {
  suite slow_lua <<'EOF'
return { run = function(_, n) for i = 1, n do ("abc"):gsub("b", function() return "x" end) end end }
EOF
  "$TERNMARK" run slow_lua.lua --budget 100ms --out r.json || [ $? -eq 3 ]
  [ "$(json r.json "r['cells'][0]['compiled'], r['cells'][0]['reason']")" = "False interpreted: the loop was not compiled" ]
}

@test "a stream's requests are samples, and its 99.9th percentile and throughput metrics" {
  "$TERNMARK" new ./st --kind stream
  run "$TERNMARK" run st.lua --filter load=0.3 --out r.json
  fine || [[ "$status" = [13] ]]  # the target may be missed on a busy machine, or nearly
  [ "$(json r.json "[len(g) for g in r['cells'][0]['runs'][0]['samples_ns']]")" = "[500, 500, 500]" ]
  [ "$(json r.json "r['cells'][0]['metrics']['p99.9']['value'] >= r['cells'][0]['summary']['p99'] > 0")" = True ]
}

@test "what a cell leaves in its process is not in the memory of the next one" {
  local kept
  for kept in 1 64; do
    suite "kept$kept" <<EOF
local ffi = require "ffi"
ffi.cdef [[ void *malloc(size_t); void *memset(void *, int, size_t); int getpid(void); ]]
return {
  axes = { { "k", { 1, 2 } } }, run = $body,
  setup = function() local bytes = $kept * 2^20; ffi.C.memset(ffi.C.malloc(bytes), 1, bytes) end,
  observe = function() return { process = ffi.C.getpid() } end,
}
EOF
    run "$TERNMARK" run "kept$kept.lua" --out "kept$kept.json"
    fine
  done
  local shared="len(set.intersection(*(set(c['metrics']['process']['series']) for c in r['cells'])))"
  [ "$(json kept1.json "$shared")" -gt 0 ]
  [ "$(json kept64.json "$shared")" -eq 0 ]
  [ "$(json kept64.json "max(c['metrics']['memory']['value'] for c in r['cells']) < 2 * 64 * 2**20")" = True ]
}

@test "--verbose shows the fate of each sample" {
  good demo
  run --separate-stderr "$TERNMARK" run demo.lua --filter k=1 --budget 60ms --verbose --out r.json
  [[ "$stderr" == *"demo/demo/k=1  generation 0: "*" iterations a sample, "*" kept, 0 dropped, ns: "* ]]
}

@test "--watch runs a suite again when it is saved, until Ctrl-C" {
  good demo
  "$TERNMARK" run demo.lua --filter k=1 --budget 60ms --watch --out r.json >out 2>&1 3>&- &
  watcher=$!
  for _ in $(seq 50); do [ -e r.json ] && break; sleep 0.1; done
  first=$(json r.json "r['run_id']")
  sleep 0.3
  good other && mv other.lua demo.lua  # as editors save
  for _ in $(seq 50); do [ "$(json r.json "r['run_id']")" != "$first" ] && break; sleep 0.1; done
  [ "$(json r.json "r['run_id']")" != "$first" ]
  kill -INT "$watcher"
  code=0; wait "$watcher" || code=$?
  [ "$code" -eq 130 ]
}

@test "google-benchmark's JSON comes out beside the result" {
  good demo
  run "$TERNMARK" run demo.lua --budget 100ms --out r.json --format google-benchmark=g.json
  fine
  [ "$(json g.json "'context' in r and len(r['benchmarks']) > 0")" = True ]
}

@test "zlib is measured with the distribution's library" {
  cp "$BATS_TEST_DIRNAME/../../suites/zlib.lua" .
  run "$TERNMARK" run zlib.lua --filter 'crc32|uncompress' --budget 300ms --out r.json
  fine
  [ "$(json r.json "[c['status'] for c in r['cells'] if c['bench'] != 'compress']")" = "['ok', 'ok', 'ok', 'ok', 'ok']" ]
}

@test "whole processes are measured with their processor time and memory" {
  cp "$BATS_TEST_DIRNAME/../../suites/commands.lua" .
  run "$TERNMARK" run commands.lua --budget 300ms --out r.json
  fine
  [ "$(json r.json "all(c['metrics']['memory']['value'] > 1e5 and c['metrics']['cpu']['value'] > 0 for c in r['cells'])")" = True ]
}

# Clocks that lie, by preloading: every result must be refused or whole, and no sample may be zero, negative or not a number.
@test "ten clocks that lie never give a wrong sample" {
  command -v gcc >/dev/null || skip "no compiler"
  cat >clock.c <<'EOF'
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
/* CLOCK_SCRIPT: what CLOCK_MONOTONIC_RAW reads; other clocks stay as they are. */
int clock_gettime(clockid_t id, struct timespec *t) {
  static const char *script; static long long calls;
  long r = syscall(SYS_clock_gettime, id, t);
  if (id != CLOCK_MONOTONIC_RAW) return (int)r;
  if (!script) { script = getenv("CLOCK_SCRIPT"); if (!script) script = ""; }
  long long ns = t->tv_sec * 1000000000LL + t->tv_nsec; calls++;
  if (!strcmp(script, "frozen")) ns = 5000000007LL;
  if (!strcmp(script, "zero")) ns = 0;
  if (!strcmp(script, "second")) ns -= ns % 1000000000LL;
  if (!strcmp(script, "millisecond")) ns -= ns % 1000000LL;
  if (!strcmp(script, "jiffy")) ns -= ns % 4000000LL;
  if (!strcmp(script, "backwards")) ns = 4000000000000000LL - ns;
  if (!strcmp(script, "stumbles") && calls % 7 == 0) ns -= 50000000LL;
  if (!strcmp(script, "jumps") && calls % 50 == 0) ns += 10000000000LL;
  if (!strcmp(script, "stutters") && calls % 3) ns -= ns % 100000000LL;
  if (!strcmp(script, "wraps")) ns %= 50000000LL;
  if (!strncmp(script, "once", 4) && calls == atoi(script + 4)) ns -= 30000000LL;
  t->tv_sec = ns / 1000000000LL; t->tv_nsec = ns % 1000000000LL;
  return (int)r;
}
EOF
  gcc -shared -fPIC -o clock.so clock.c
  good demo
  for script in frozen zero second millisecond jiffy backwards stumbles jumps stutters wraps; do
    rm -f r.json
    code=0
    CLOCK_SCRIPT=$script LD_PRELOAD=$PWD/clock.so timeout -s KILL 20 "$TERNMARK" run demo.lua --filter k=1 --budget 60ms --cell-timeout 2s --out r.json >out 2>&1 || code=$?
    echo "$script: $code"; cat out
    case $code in 0 | 3 | 4) ;; *) false ;; esac
    case $script in frozen | zero | second | jiffy) [ "$code" -eq 3 ] ;; esac
    if [ "$code" -eq 0 ]; then
      [ "$(json r.json "all(x > 0 for c in r['cells'] for run in c['runs'] for g in run['samples_ns'] for x in g)")" = True ]
    fi
  done
  # --verbose names a voided sample in its place; which reading ends a sample depends on how many turns there were
  for call in 60 61 80 81 100 101 120 121 140 141; do
    CLOCK_SCRIPT=once$call LD_PRELOAD=$PWD/clock.so "$TERNMARK" run demo.lua --filter k=1 --budget 600ms --verbose --out r.json >>verbose 2>&1 || true
  done
  grep -qE ' 1 dropped, ns: [0-9. ]*\(voided by the clock\) [0-9]' verbose || { cat verbose; false; }
}

@test "a budget ends a run whose cells take long to set up; what was not measured is said" {
  cat >slow.lua <<'EOF'
local ffi = require "ffi"
ffi.cdef "int usleep(unsigned);"
return { slow = { axes = { { "k", { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 } } }, setup = function() ffi.C.usleep(600000) return 1 end,
                  run = function(_, n) local x = 0 for i = 1, n do x = x + i end return x end } }
EOF
  begun=$(date +%s)
  run "$TERNMARK" run slow.lua --budget 1s --out r.json
  [ "$status" -eq 3 ]
  [ $(($(date +%s) - begun)) -le 6 ]
  [ "$(json r.json "sum('budget ended' in (c['reason'] or '') for c in r['cells']) > 3")" = True ]
  [ "$(json r.json "any(c['status'] == 'ok' for c in r['cells'])")" = True ]
}

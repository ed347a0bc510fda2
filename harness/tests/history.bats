# history on a store: what goes in, what comes out, and how it ends.
bats_require_minimum_version 1.5.0

setup() {
  cd "$BATS_TEST_TMPDIR"
  export TERNMARK_STORE=sqlite:$PWD/history.db TERNMARK_SPOOL=$PWD/spool
}

google() {  # LEVEL DAY: a result of google-benchmark with three repetitions
  cat <<JSON
{"context": {"date": "2026-01-$2T10:00:00+01:00", "host_name": "box", "num_cpus": 2, "mhz_per_cpu": 3000},
 "benchmarks": [
  {"name": "BM_Sort/1024", "run_name": "BM_Sort/1024", "run_type": "iteration", "repetitions": 3, "iterations": 1000, "real_time": $1, "cpu_time": 1, "time_unit": "us"},
  {"name": "BM_Sort/1024", "run_name": "BM_Sort/1024", "run_type": "iteration", "repetitions": 3, "iterations": 1000, "real_time": $(($1 + 1)), "cpu_time": 1, "time_unit": "us"},
  {"name": "BM_Sort/1024", "run_name": "BM_Sort/1024", "run_type": "iteration", "repetitions": 3, "iterations": 1000, "real_time": $(($1 + 2)), "cpu_time": 1, "time_unit": "us"},
  {"name": "BM_Sort/1024_mean", "run_name": "BM_Sort/1024", "run_type": "aggregate", "aggregate_name": "mean", "real_time": $1, "cpu_time": 1, "time_unit": "us"}]}
JSON
}

past() {  # 28 days, 20 % slower from the 15th on
  local day
  for day in $(seq -w 1 28); do google $((10#$day < 15 ? 500 + 10#$day % 3 : 600 + 10#$day % 3)) "$day" > "g$day.json"; done
}

@test "google-benchmark's past: import, trend, change, once" {
  past
  run "$TERNMARK" history import g*.json
  [ "$status" = 0 ] && [ "$output" = "28 runs with 28 points imported, 0 were there already" ]
  run "$TERNMARK" history import g*.json
  [ "$output" = "0 runs with 0 points imported, 28 were there already" ]
  run "$TERNMARK" history trend Sort
  [ "$status" = 0 ] && [[ "$output" == *"google-benchmark/BM_Sort/1024  time (ns)"*"28 points"* ]] && [[ "$output" == *"2026-01-15 09:00"*"step +19"* || "$output" == *"2026-01-15 09:00"*"step +20"* ]]
  run "$TERNMARK" history changes
  [ "$status" = 1 ] && [[ "$output" == "NEW moderate "*2026-01-15* ]]
  run "$TERNMARK" history changes
  [ "$status" = 0 ] && [[ "$output" == "    moderate "* ]]
  run "$TERNMARK" history changes --since 2026-01-20
  [ "$status" = 0 ] && [[ "$output" == "no change in 1 series" ]]
}

@test "the hook gets JSON, once, without a shell" {
  past
  "$TERNMARK" history import g*.json
  run "$TERNMARK" history changes --hook tee --hook 'got; touch canary' --out changes.md
  [ "$status" = 1 ] && [ ! -e canary ]
  python3 -c 'import json,sys; a = json.load(open(sys.argv[1])); assert a["severity"] == "moderate" and a["new"] and a["runs_to_detect"] <= 8' 'got; touch canary'
  grep -q '^| \*\*new\*\* moderate | +19\|^| \*\*new\*\* moderate | +20' changes.md
  rm 'got; touch canary'
  "$TERNMARK" history changes --hook tee --hook 'got; touch canary'
  [ ! -e 'got; touch canary' ]
}

@test "a hook that fails or is not there is said" {
  past
  "$TERNMARK" history import g*.json
  run "$TERNMARK" history changes --hook false
  [ "$status" = 2 ] && [[ "$output" == *"--hook false: ended with status 1"* ]]
}

@test "a mute has a reason and an end; then nothing is red" {
  past
  "$TERNMARK" history import g*.json
  run "$TERNMARK" history mute Sort --reason "new machine"
  [ "$status" = 2 ]
  run "$TERNMARK" history mute Sort --until 2030-01-01
  [ "$status" = 2 ]
  "$TERNMARK" history mute Sort --reason "new machine" --until 2030-01-01
  run "$TERNMARK" history changes --hook touch --hook called
  [ "$status" = 0 ] && [[ "$output" == *"muted: new machine"* ]] && [ ! -e called ]
  "$TERNMARK" history acknowledge 1 --reason "known"
  run "$TERNMARK" history acknowledge one --reason "known"
  [ "$status" = 2 ]
}

@test "hyperfine's past" {
  cat > h.json <<'JSON'
{"results": [{"command": "sleep 0.1", "mean": 0.1, "stddev": 0.01, "median": 0.1, "user": 0, "system": 0, "min": 0.1, "max": 0.1, "times": [0.101, 0.102, 0.103], "exit_codes": [0, 0, 0], "parameters": {"n": "1"}}]}
JSON
  run "$TERNMARK" history import h.json --commit 81a95e0c4d3b2a1908f7e6d5c4b3a29180f7e6d5 --hardware laptop
  [ "$status" = 0 ] && [ "$output" = "1 runs with 1 points imported, 0 were there already" ]
  run "$TERNMARK" history export
  [ "${#lines[@]}" = 2 ] && [[ "${lines[1]}" == "hyperfine/sleep 0.1,laptop,time,ns,"*",81a95e0c4d3b2a1908f7e6d5c4b3a29180f7e6d5,"*",102000000,1000000,3" ]]
}

@test "what export writes, changes reads" {
  past
  "$TERNMARK" history import g*.json
  "$TERNMARK" history export --csv all.csv
  run "$TERNMARK" history changes --csv all.csv
  [ "$status" = 0 ] && [[ "${lines[1]}" == *,14 ]]
}

@test "machines side by side, with a score" {
  google 500 01 > a.json; google 250 01 > b.json
  "$TERNMARK" history import a.json --hardware slow-box
  "$TERNMARK" history import b.json --hardware fast-box
  run "$TERNMARK" history show Sort
  [ "$status" = 0 ] && [[ "$output" == *"slow-box"*"× 1.99"* ]] && [[ "$output" == *"geometric mean against fast-box"* ]]
  run "$TERNMARK" history show
  [ "$status" = 0 ] && [[ "$output" == "2 runs of 1 cells on 2 machines"* ]]
  [[ "$output" == *"6 samples in 2 sets, 0 alerts; $(stat -c %s history.db) bytes on disk"*"a set: "*" bytes of compressed samples"*" bytes beside them"* ]]
}

@test "bad files end with 5 and are left as they are" {
  : > empty.db
  head -c 20000 /dev/urandom > noise.db
  sqlite3 foreign.db 'CREATE TABLE t (x)' 2>/dev/null || python3 -c 'import sqlite3; c = sqlite3.connect("foreign.db"); c.execute("CREATE TABLE t (x)"); c.commit()'
  mkdir folder.db
  for file in empty noise foreign folder; do
    before=$(sha256sum $file.db 2>/dev/null || true)
    run "$TERNMARK" history show --store sqlite:$file.db
    [ "$status" = 5 ] || { echo "$file: $status $output"; return 1; }
    google 500 01 > g.json
    run "$TERNMARK" history import g.json --store sqlite:$file.db
    [ "$status" = 5 ] || { echo "$file: $status $output"; return 1; }
    [ "$before" = "$(sha256sum $file.db 2>/dev/null || true)" ]
  done
  run "$TERNMARK" history show --store sqlite:none.db
  [ "$status" = 2 ] && [ ! -e none.db ]
  echo '{"schema": 1}' > bad.json
  run "$TERNMARK" history import bad.json
  [ "$status" = 5 ]
}

@test "a server that is down: results wait and go in once" {
  past
  run "$TERNMARK" history import g01.json g02.json --store "postgresql:///none?host=$PWD"
  [ "$status" = 0 ] && [[ "$output" == *"2 results wait in"* ]] && [ "$(ls spool | wc -l)" = 2 ]
  "$TERNMARK" history import g01.json --store "postgresql:///none?host=$PWD"
  [ "$(ls spool | wc -l)" = 2 ]
  for again in 1 2 3; do "$TERNMARK" history import g02.json g03.json; done
  [ "$(ls spool | wc -l)" = 0 ]
  run "$TERNMARK" history show
  [[ "$output" == "3 runs of 1 cells"* ]]
}

@test "nothing to look at is 3, nonsense is 2" {
  google 500 01 > g.json
  "$TERNMARK" history import g.json
  run "$TERNMARK" history trend none;  [ "$status" = 3 ]
  run "$TERNMARK" history changes none; [ "$status" = 3 ]
  run "$TERNMARK" history trend '(';   [ "$status" = 2 ]
  run "$TERNMARK" history trend --since yesterday; [ "$status" = 2 ]
  run "$TERNMARK" history nonsense;    [ "$status" = 2 ]
  run "$TERNMARK" history import none.json; [ "$status" = 2 ]
}

@test "a metric that a machine could not read is not available, with why; one that it read has points" {
  python3 "$BATS_TEST_DIRNAME/results.py" many 3 run.json
  "$TERNMARK" history import run.json
  run "$TERNMARK" history trend --metric energy
  [ "$status" = 3 ]
  [ "$output" = "energy on some-cpu-2c-8gib-0a1b2c3d: not available: no RAPL zone under /sys/class/powercap" ]
  run "$TERNMARK" history trend 'batch=1$' --metric memory
  [ "$status" = 0 ] && [[ "$output" == *"memory (bytes)"*"1 points"* ]]
  run "$TERNMARK" history trend --metric nothing
  [ "$status" = 3 ] && [ -z "$output" ]
}

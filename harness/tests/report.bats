#!/usr/bin/env bats
# ternmark report on the command line.

setup() {
  python3 harness/tests/results.py many 12 "$BATS_TEST_TMPDIR/gate.json"
  cd "$BATS_TEST_TMPDIR"
}

# Changes the file by a Python statement on `run`, and makes its checksum right again.
change() {
  python3 - "$1" "$2" <<'P'
import hashlib, json, sys
run = json.load(open(sys.argv[1]))
exec(sys.argv[2])
run.pop("checksum", None)
run["checksum"] = "sha256:" + hashlib.sha256(json.dumps(run, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
json.dump(run, open(sys.argv[1], "w"))
P
}

@test "a page, Markdown, pictures with their data, and the result itself" {
  run "$TERNMARK" report gate.json --out out
  [ "$status" = 0 ]
  [[ "$output" == *"REGRESSION: 4 regression, 4 improved, 4 pass"*"report: out/index.html"* ]]
  for file in index.html report.md page.js overview-01.svg overview-01-dark.svg overview-01.png data/overview-01.tsv data/overview-01.gp data/run-01.json; do [ -s "out/$file" ]; done
  ! grep -E 'https?://' out/index.html
  (cd out && cp overview-01.svg before.svg && gnuplot -d data/overview-01.gp && cmp before.svg overview-01.svg)
  "$TERNMARK" report out/data/run-01.json --out again >/dev/null
}

@test "an operating curve is drawn from its file, and a broken one is exit 2 with its line" {
  printf 'true_change,runs,red,low,high\n0.10,400,0.99,0.97,1\n0,400,0,0,0.009\n' >power.csv
  run "$TERNMARK" report gate.json power.csv --out out
  [ "$status" = 0 ]
  [ -s out/power-01.svg ]
  [ ! -s out/data/gnuplot.log ]
  [ "$(sed -n 2p out/data/power-01.tsv)" = $'0\t0\t0\t0.9\t400' ]
  run "$TERNMARK" report power.csv
  [ "$status" = 2 ]
  for bad in 'true_change,runs,red' $'true_change,runs,red,low,high' $'true_change,runs,red,low,high\n0,400,nan,0,1' $'true_change,runs,red,low,high\n0,400,0.5,0.6,1' $'true_change,runs,red,low,high\n0,4,0.5,0.1,1,2'; do
    printf '%s\n' "$bad" >bad.csv
    run "$TERNMARK" report gate.json bad.csv --out out
    [ "$status" = 2 ]
    [[ "$output" == *"bad.csv"* ]]
  done
}

@test "cells that nobody selected are counted, not listed" {
  change gate.json 'for cell in run["cells"][:3]: cell.update(status="not selected", verdicts=[], paired=None, runs=[], summary=None)'
  run "$TERNMARK" report gate.json --out out
  [[ "$output" != *"batch=0"* ]]
  [[ "$output" == *"3 not selected"* ]]
  grep -q 'not selected: 3 of <code>many/bench' out/index.html
  ! grep -q 'batch=0' out/report.md
}

@test "without gnuplot there is a report that says so" {
  command -v unshare >/dev/null && unshare -m true 2>/dev/null || skip "mount namespaces are not allowed here"
  unshare -m sh -c "mount --bind /dev/null /usr/bin/gnuplot && '$TERNMARK' report gate.json --out out"
  grep -q "Pictures are missing" out/index.html
  [ -s out/data/overview-01.tsv ]
}

@test "exit codes: no file 2, no such file 2, a bad file 5, an unwritable folder 2" {
  run "$TERNMARK" report
  [ "$status" = 2 ]
  run "$TERNMARK" report none.json
  [ "$status" = 2 ]
  [[ "$output" == *"none.json"* ]]
  for bad in '' '{' '[]' '{"schema":2}' '{"schema":1,"schema":1}' '{"schema":NaN}'; do
    printf '%s' "$bad" >bad.json
    run "$TERNMARK" report bad.json
    [ "$status" = 5 ]
    [[ "$output" == *"bad.json"* ]]
  done
  run "$TERNMARK" report gate.json --out /dev/null/x
  [ "$status" = 2 ]
}

@test "a changed number, an unknown key and a doubled cell are exit 5 and named" {
  sed 's/"tolerance": 0.05/"tolerance": 0.06/' gate.json >bad.json
  run "$TERNMARK" report bad.json
  [ "$status" = 5 ]
  [[ "$output" == *"checksum: does not fit the content"* ]]
  change gate.json 'run["cells"][1]["colour"] = 1'
  run "$TERNMARK" report gate.json
  [ "$status" = 5 ]
  [[ "$output" == *"cells[1].colour: unknown key"* ]]
  change gate.json 'del run["cells"][1]["colour"]; run["cells"][1] = run["cells"][0]'
  run "$TERNMARK" report gate.json
  [ "$status" = 5 ]
  [[ "$output" == *"cells: [1].id: this id stands there twice"* ]]
}

@test "--rejudge believes no verdict: forged passes turn red, forged reds are dropped, the exit is its own" {
  change gate.json 'run["exit"] = 0
for cell in run["cells"]:
    cell["tolerance"] = 9.0
    for verdict in cell["verdicts"]: verdict["verdict"] = "pass"
    for turn in cell["paired"]["rounds"]:
        turn["ns"] = [ns * (1.3 if lane == "head" else 1.0) if cell["id"].endswith("=3") else 1e5 * (1 + 0.01 * (i + turn["round"]) % 0.03) for i, (ns, lane) in enumerate(zip(turn["ns"], turn["order"]))]'
  run "$TERNMARK" report gate.json --rejudge --format markdown=-
  [ "$status" = 1 ]
  [[ "$output" == *"**regression** | \`many/bench/batch=3\`"* ]]
  [[ "$output" == *"REGRESSION: 1 regression"* ]]
}

@test "--rejudge: a cell without rounds is no pass unless its builds are one; a lane missing is exit 5; a run is exit 2" {
  change gate.json 'run["cells"] = run["cells"][:2]
run["cells"][0]["paired"]["rounds"] = []
run["cells"][1]["paired"]["rounds"] = []
run["cells"][1]["paired"]["builds"]["head"] = "sha256:" + "1" * 64'
  run "$TERNMARK" report gate.json --rejudge --format csv=-
  [ "$status" = 3 ]
  [[ "$output" == *'"pass"'*"identical subject"* ]]
  [[ "$output" == *'"not_comparable"'* ]]
  change gate.json 'run["cells"][0]["paired"]["rounds"] = [{"generation": 0, "round": 0, "order": ["base", "head"], "ns": [1.0, 2.0]}]'
  run "$TERNMARK" report gate.json --rejudge --format csv=-
  [ "$status" = 5 ]
  change gate.json 'run["kind"] = "run"; del run["gate"]'
  run "$TERNMARK" report gate.json --rejudge
  [ "$status" = 2 ]
}

@test "a stream's latencies have their curve, as far as requests lie beyond a percentile" {
  change gate.json 'run["cells"] = run["cells"][:2]
for cell in run["cells"]: cell["metrics"] = {"throughput": {"value": 9.0, "unit": "per second"}, "p99.9": {"value": cell["summary"]["max"], "unit": "ns"}}'
  "$TERNMARK" report gate.json --out out >/dev/null
  [ -s out/latency-01.svg ]
  [ "$(grep -c '^[0-9]' out/data/latency-01.tsv)" = 8 ]
  [ "$(awk -F'\t' '/^[0-9]/ {print $3}' out/data/latency-01.tsv | head -4 | xargs)" = "50 75 90 95" ]
}

@test "--baselines without --rejudge is exit 2; a folder without this hardware is a note" {
  run "$TERNMARK" report gate.json --baselines nowhere
  [ "$status" = 2 ]
  run "$TERNMARK" report gate.json --rejudge --baselines nowhere --format markdown=-
  [[ "$output" == *"no stored baseline of the hardware"* ]]
}

@test "the history of a cell marks a change of level, and where there is none, none" {
  mkdir series
  python3 "$BATS_TEST_DIRNAME/results.py" series 24 series
  "$TERNMARK" report series/run-*.json --out out >/dev/null
  [ ! -s out/data/gnuplot.log ]
  awk '/^# run\tlevel/ {inside = 1; next} inside' out/data/history-01.tsv | grep -qE '^1[0-4]\.5\s[0-9.]+\s"\+(9|10|11)\.[0-9] %"$'
  [ "$(awk '/^# run\tlevel/ {inside = 1; next} inside && NF' out/data/history-02.tsv)" = "" ]
}

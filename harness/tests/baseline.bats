#!/usr/bin/env bats
# ternmark baseline and stored comparison: record, show, check, accept; corrupt, foreign, moved baselines; compare.

load gate_repository

setup_file() {
  export XDG_CACHE_HOME=$BATS_FILE_TMPDIR/cache REPO=$BATS_FILE_TMPDIR/origin
  make_repository "$REPO"
  "$TERNMARK" baseline record >"$BATS_FILE_TMPDIR/recorded" || return 1
  commit baseline
}

setup() {
  export XDG_CACHE_HOME=$BATS_TEST_TMPDIR/cache
  cp -a "$REPO" "$BATS_TEST_TMPDIR/repo"
  cd "$BATS_TEST_TMPDIR/repo"
  FILE=$(echo baselines/*/sum.json)
}

judge_again() { # ARGUMENT…: three times at most, while it says that it cannot judge: others are on the processors
  local try
  for try in 1 2 3; do
    run "$TERNMARK" "$@"
    [ "$status" -eq 3 ] || return 0
  done
  skip "the gate cannot judge on this machine now"
}

@test "record writes a file per suite under the hardware key; show and check read it" {
  grep -q 'baselines/.*/sum.json: 2 cells, 5 runs' "$BATS_FILE_TMPDIR/recorded"
  run "$TERNMARK" baseline show; [ "$status" -eq 0 ]; [[ $output == *"sum/sum/words=64"* ]]
  run "$TERNMARK" baseline check; [ "$status" -eq 0 ]; [[ $output == *"2 cells"* ]]
  [ "$(stat -c %s "$FILE")" -lt 2097152 ]
}

@test "record keeps what processes of one build differed by, accept leaves it, and the gate hears of it" {
  offsets() { python3 -c 'import json, sys; print([len(c["metrics"]["process_offsets"]["series"]) for c in json.load(open(sys.argv[1]))["cells"]])' "$FILE"; }
  [ "$(offsets)" = "[12, 12]" ]
  sed -i 's/r < rounds/r < rounds * 3/' sum.c; commit slower
  run "$TERNMARK" gate --paired
  [[ $output == *"processes of one build differ by"*"2 cells of this run, 2 with a recorded history"* ]] || { echo "$output"; false; }
  "$TERNMARK" baseline accept sum/sum/words=64 --reason "bigger words"
  [ "$(offsets)" = "[12, 12]" ]
  "$TERNMARK" baseline record >/dev/null
  [ "$(offsets)" = "[24, 24]" ]
}

@test "record of one cell by name leaves the suite's others as they were" {
  others() { python3 -c 'import json, sys; print([c["metrics"] for c in json.load(open(sys.argv[1]))["cells"] if c["id"].endswith("=256")])' "$FILE"; }
  local before; before=$(others)
  run "$TERNMARK" baseline record sum/sum/words=64
  [[ $status -eq 0 && $output == *"2 cells, 5 runs"* ]] || { echo "$output"; false; }
  [ "$(others)" = "$before" ]
  [[ $before == *series* ]]
}

@test "no baseline: show and check 3, --stored 3; usage errors 2" {
  rm -r baselines; commit none
  run "$TERNMARK" baseline show; [ "$status" -eq 3 ]
  run "$TERNMARK" baseline check; [ "$status" -eq 3 ]
  run "$TERNMARK" gate --stored --base HEAD; [ "$status" -eq 3 ]; [[ $output == *"no baseline"* ]]
  run "$TERNMARK" baseline; [ "$status" -eq 2 ]
  run "$TERNMARK" baseline accept sum/sum/words=64; [ "$status" -eq 2 ]; [[ $output == *reason* ]]
  run "$TERNMARK" gate --stored --paired; [ "$status" -eq 2 ]
}

@test "three times the work is red against the stored baseline and the anchor, exit 1" {
  sed -i 's/r < rounds/r < rounds * 3/' sum.c; commit slower
  judge_again gate --stored
  [[ $output != *"was not fit"* ]] || skip "other programs use the processors: no red can come of it"
  [ "$status" -eq 1 ] || { echo "$output"; false; }
  [[ $output == *regression*stored*"words=256"* ]]
}

@test "the same code is never red against the baseline" {
  run "$TERNMARK" gate --stored --base HEAD
  [ "$status" -eq 0 ] || [ "$status" -eq 3 ]
  [[ $output != *regression* ]]
}

@test "a corrupt baseline, a NaN, a duplicate id, a newer schema, a wrong folder: exit 5, whatever else holds" {
  local edits=('truncate -s 100 $FILE' 'sed -i s/ok/0k/ $FILE' 'sed -i "s/\"median\":[^,]*/\"median\":NaN/" $FILE' ': > $FILE')
  for edit in "${edits[@]}"; do
    git checkout -q "$FILE"; eval "$edit"; git commit -qam "x $edit"
    run "$TERNMARK" gate --base HEAD; [ "$status" -eq 5 ] || { echo "$edit: $status $output"; false; }
    run "$TERNMARK" baseline check; [ "$status" -eq 5 ]
    git reset -q --hard HEAD^
  done
  for code in 'top["cells"].append(top["cells"][0])' 'top["schema"] = 2' 'top["kind"] = "run"' 'top["hardware"]["key"] = "other-00000000"'; do
    reseal "$FILE" "$code"; git commit -qam "x"
    run "$TERNMARK" gate --base HEAD; [ "$status" -eq 5 ] || { echo "$code: $status $output"; false; }
    git reset -q --hard HEAD^
  done
}

@test "a baseline of another machine: --stored says 3 and names it" {
  git mv baselines/* baselines/other-machine-12345678; git commit -qm other
  run "$TERNMARK" gate --stored --base HEAD
  [ "$status" -eq 3 ]; [[ $output == *other-machine-12345678* ]]
}

@test "another workload under the same name: not comparable" {
  sed -i 's/s.n, 4)/s.n, 2)/' suites/sum.lua; commit halved
  run "$TERNMARK" gate --stored
  [ "$status" -eq 3 ]; [[ $output == *"not comparable"* ]]; [[ $output == *workload* ]]
}

@test "a cell of the baseline that head lacks is missing, exit 4" {
  sed -i 's/64, 256/64/' suites/sum.lua; commit fewer
  run "$TERNMARK" gate --stored
  [ "$status" -eq 4 ]; [[ $output == *missing*"words=256"* ]]
}

@test "accept moves a cell with a reason and keeps who, when and why; a baseline moved without one is red" {
  "$TERNMARK" gate --paired >/dev/null || true
  run "$TERNMARK" baseline accept sum/sum/words=64 --reason "bigger words"
  [ "$status" -eq 0 ]
  run "$TERNMARK" baseline show
  [[ $output == *"by test@example.org: sum/sum/words=64: bigger words"* ]]
  commit accepted
  run "$TERNMARK" gate
  [[ $output != *"without a recorded reason"* ]]
  reseal "$FILE" 'top["cells"][1]["runs"] = top["cells"][1]["runs"][:2]; top["cells"][1]["runs"][0]["samples_ns"][0][0] *= 3'
  commit moved
  run "$TERNMARK" gate
  [ "$status" -eq 1 ]; [[ $output == *"without a recorded reason"* ]]
}

# A run file of what a quiet machine measures, so that its comparison is the same on every machine.
quiet_run() { # FILE
  make -s
  "$TERNMARK" run suites --artifact sum=libsum.so --out "$1" >/dev/null || [ $? -eq 3 ]
  reseal "$1" 'top["fitness"] = {"fit": True, "reasons": []}; top["exit"] = 0
for c in top["cells"]:
    c["status"] = "ok"; c["reason"] = None
    for r in c["runs"]: r["samples_ns"] = [[100 + (3 * i + g) % 7 / 10 for i in range(20)] for g in range(len(r["samples_ns"]))]'
}

@test "compare: one run with itself cannot tell, byte for byte the same; broken files 5, missing 2, unfinished 3" {
  quiet_run run.json
  run "$TERNMARK" compare run.json run.json --json
  [ "$status" -eq 3 ]
  [[ $output != *regression* ]]
  first=$(sha256sum <<<"$output")
  for _ in $(seq 20); do [ "$("$TERNMARK" compare run.json run.json --json | sha256sum)" = "$first" ]; done
  cp run.json slow.json
  reseal slow.json 'for c in top["cells"]:
    for r in c["runs"]: r["samples_ns"] = [[2 * x for x in g] for g in r["samples_ns"]]'
  run "$TERNMARK" compare run.json slow.json; [ "$status" -eq 1 ]
  run "$TERNMARK" compare slow.json run.json; [ "$status" -eq 0 ]; [[ $output == *improved* ]]
  run "$TERNMARK" compare slow.json run.json --two-sided; [ "$status" -eq 1 ]
  cp run.json other.json; reseal other.json 'top["hardware"]["key"] = "other-12345678"; top["hardware"]["fields"]["cpu"] = "another"'
  run "$TERNMARK" compare other.json run.json; [ "$status" -eq 3 ]; [[ $output == *"cpu: base"* ]]
  cp run.json part.json; reseal part.json 'top["complete"] = False'
  run "$TERNMARK" compare run.json part.json; [ "$status" -eq 3 ]
  run "$TERNMARK" compare part.json run.json; [ "$status" -eq 3 ]
  reseal slow.json 'top["cells"] = top["cells"][:1]'
  run "$TERNMARK" compare run.json slow.json; [ "$status" -eq 4 ]
  head -c 300 run.json >broken.json
  run "$TERNMARK" compare run.json broken.json; [ "$status" -eq 5 ]
  run "$TERNMARK" compare run.json none.json; [ "$status" -eq 2 ]
  run "$TERNMARK" compare run.json; [ "$status" -eq 2 ]
}

@test "head against a run file" {
  "$TERNMARK" run suites --artifact sum=libsum.so --out run.json >/dev/null || [ $? -eq 3 ]
  sed -i 's/r < rounds/r < rounds * 3/' sum.c
  judge_again gate --base run.json
  [ "$status" -eq 1 ] || { echo "$output"; false; }
}

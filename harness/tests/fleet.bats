# fleet: a Slurm of the test's own (controller, two nodes of two classes, munge) on this machine; and what needs none.
bats_require_minimum_version 1.5.0

setup() {
  cd "$BATS_TEST_TMPDIR"
  export TERNMARK_STORE=sqlite:$PWD/history.db TERNMARK_SPOOL=$PWD/spool
  mkdir suites
  cat > suites/nap.lua <<'L'
return { axes = { { "n", { 1, 2 } } }, run = function(_, n) local x = 0 for i = 1, n do x = x + i end return x end, tags = { "ci" } }
L
  cat > suites/endless.lua <<'L'
return { axes = { { "n", { 1 } } }, run = function(_, n) local x = 0 for i = 1, n * 1e9 do x = x + i % 7 end return x end, tags = { "ci" } }
L
}

teardown() {
  local file pid
  for pid in $(pgrep -f "slurm_script $BATS_TEST_TMPDIR/"); do kill -TERM "$pid" 2>/dev/null; done  # jobs whose node is dead
  for file in "$BATS_TEST_TMPDIR"/slurm/*.pid; do
    [ -e "$file" ] && kill -9 "$(cat "$file")" 2>/dev/null
  done
  return 0
}

start_slurm() {  # skips with a reason where Slurm can't be started
  local dir=$PWD/slurm host deadline
  [ "$(id -u)" = 0 ] || skip "slurmd needs root"
  for program in slurmctld slurmd munged; do command -v $program >/dev/null || skip "$program is not installed"; done
  host=$(hostname -s)
  mkdir -p "$dir"/state "$dir"/spool-a "$dir"/spool-b && chmod 755 "$dir" "$BATS_TEST_TMPDIR"
  dd if=/dev/urandom of="$dir/munge.key" bs=1024 count=1 status=none && chmod 400 "$dir/munge.key"
  munged --force --socket="$dir/munge.socket" --key-file="$dir/munge.key" --pid-file="$dir/munged.pid" --log-file="$dir/munged.log" --seed-file="$dir/munge.seed" || skip "munged did not start"
  cat > "$dir/slurm.conf" <<C
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge.socket
CredType=cred/munge
CryptoType=crypto/munge
SlurmctldPort=16817
SlurmctldPidFile=$dir/slurmctld.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdPidFile=$dir/slurmd-%n.pid
SlurmdLogFile=$dir/slurmd-%n.log
SlurmdSpoolDir=$dir/spool-%n
StateSaveLocation=$dir/state
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SchedulerType=sched/backfill
SelectType=select/cons_tres
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SlurmdTimeout=10
KillWait=5
NodeName=a NodeHostname=$host NodeAddr=127.0.0.1 Port=16818 CPUs=1 RealMemory=500
NodeName=b NodeHostname=$host NodeAddr=127.0.0.1 Port=16819 CPUs=1 RealMemory=500
PartitionName=plain Nodes=a Default=YES State=UP
PartitionName=fancy Nodes=b State=UP
C
  export SLURM_CONF=$dir/slurm.conf
  slurmctld -f "$SLURM_CONF" || skip "slurmctld did not start: $(tail -n 2 "$dir/slurmctld.log")"
  for node in a b; do slurmd -N $node -f "$SLURM_CONF" || skip "slurmd did not start: $(tail -n 2 "$dir"/slurmd-$node.log)"; done
  deadline=$((SECONDS + 20))
  until [ "$(sinfo -h -t idle -o %D 2>/dev/null | paste -sd+ | bc 2>/dev/null || sinfo -h -t idle -N | wc -l)" = 2 ]; do
    [ $SECONDS -lt $deadline ] || skip "Slurm's nodes did not come up: $(sinfo -N -h 2>&1 | head -n 3; tail -n 2 "$dir"/slurmd-a.log)"
    sleep 0.5
  done
}

wait_for() {  # SECONDS COMMAND…
  local deadline=$((SECONDS + $1)); shift
  until "$@"; do [ $SECONDS -lt $deadline ] || return 1; sleep 0.3; done
}

@test "two classes, one node killed: the rest is collected and called incomplete" {
  start_slurm
  "$TERNMARK" fleet submit suites/nap.lua --class plain:partition=plain --class fancy:partition=fancy --out both --budget 2s
  wait_for 60 "$TERNMARK" fleet status --out both || { cat both/*.log; squeue; return 1; }
  for again in 1 2 3; do run "$TERNMARK" fleet collect --out both; done
  [[ "$output" == "complete: 2 of 2 classes; 0 runs with 0 points imported, "* ]]

  "$TERNMARK" fleet submit suites/endless.lua --class fancy:partition=fancy --out one --budget 20s
  "$TERNMARK" fleet submit suites/nap.lua --class plain:partition=plain --class fancy:partition=fancy --out half --budget 2s
  wait_for 60 test -e half/plain.json
  kill -9 "$(cat slurm/slurmd-b.pid)"
  run "$TERNMARK" fleet status --out half
  [ "$status" = 3 ]
  run "$TERNMARK" fleet collect --out half
  echo "$output"
  [ "$status" = 3 ] && [[ "$output" == *"missing: fancy"* ]] && [[ "$output" == *"incomplete: 1 of 2 classes; 1 runs"* ]]
}

@test "the bundle of make dist on a node of its own; collected while the store is down, it goes in later, once" {
  start_slurm
  bundle=$(cd "$BATS_TEST_DIRNAME/../.." && ci/dist "${TERNMARK%/*}" test)
  "$TERNMARK" fleet submit suites/zlib.lua --class plain:partition=plain --bundle "$bundle" --exclusive --out far --budget 2s
  [ "$(squeue -h -o %h)" != OK ] || { squeue -o "%i %h"; return 1; }  # "OK" is Slurm's word for a node that is shared
  wait_for 60 "$TERNMARK" fleet status --out far || { cat far/*.log; squeue; return 1; }
  cat far/plain.log
  grep -q '"zlib/' far/plain.json
  run "$TERNMARK" fleet collect --out far --store "postgresql:///none?host=$PWD"
  echo "$output"
  [[ "$output" == *"complete: 1 of 1 classes"* ]] && [ "$(ls spool | wc -l)" = 1 ]
  run "$TERNMARK" history import
  [[ "$output" == "1 runs with "* ]]
  for again in 1 2; do
    run "$TERNMARK" fleet collect --out far
    [[ "$output" == "complete: 1 of 1 classes; 0 runs with 0 points imported, "* ]]
  done
}

@test "a cancel is gone within 5 s and leaves nothing behind" {
  start_slurm
  "$TERNMARK" fleet submit suites/endless.lua --class plain:partition=plain --out long --budget 20s
  wait_for 20 sh -c 'squeue -h -t RUNNING | grep -q .'
  wait_for 10 test -e long/plain.log
  sleep 1
  begin=${EPOCHREALTIME/[.,]/}
  "$TERNMARK" fleet cancel --out long
  wait_for 6 sh -c '! squeue -h | grep -q .' || { squeue; cat long/*.log; return 1; }
  took=$(((${EPOCHREALTIME/[.,]/} - begin) / 1000))
  echo "# cancel: gone after $took ms" >&3
  [ "$took" -le 5000 ]
  run "$TERNMARK" fleet collect --out long
  [ "$status" = 3 ]
}

@test "nonsense is 2, a folder that is none too; without Slurm it says so" {
  run "$TERNMARK" fleet; [ "$status" = 2 ]
  run "$TERNMARK" fleet submit --out d; [ "$status" = 2 ]
  run "$TERNMARK" fleet submit --class a; [ "$status" = 2 ]
  run "$TERNMARK" fleet submit --class '../a' --out d; [ "$status" = 2 ]
  run "$TERNMARK" fleet submit --class 'a:colour=red' --out d; [ "$status" = 2 ]
  run "$TERNMARK" fleet status --out none; [ "$status" = 2 ]
  run env PATH=/nowhere "$TERNMARK" fleet submit --class a --out e
  [ "$status" = 2 ] && [[ "$output" == *"is Slurm here"* ]]
  mkdir damaged && echo '{"classes": [{"name": "../x", "job": "1"}]}' > damaged/fleet.json
  run "$TERNMARK" fleet collect --out damaged
  [ "$status" = 5 ]
}

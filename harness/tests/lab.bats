#!/usr/bin/env bats
# ternmark lab: recorded rounds through the decision; refusals name the line.

setup() { F=$BATS_TEST_TMPDIR/rounds.csv; cd "$BATS_TEST_TMPDIR"; }

# header, then 3 processes x 40 rounds of 3 lanes with a little noise; $1: factor of head, $2: factor of base2
rounds() {
  awk -v h="$1" -v b="${2:-1}" 'BEGIN { print "cell,process,round,lane,ns"
    for (p = 0; p < 3; p++) for (r = 0; r < 40; r++) {
      n = 1000 + (r * 7 + p * 3) % 13
      printf "s/b/x=1,%d,%d,base,%f\ns/b/x=1,%d,%d,base2,%f\ns/b/x=1,%d,%d,head,%f\n", p, r, n, p, r, b * (n + r % 3), p, r, h * (n + r % 5) } }'
}

@test "identical rounds pass, exit 0" {
  rounds 1 >"$F"
  run "$TERNMARK" lab replay "$F" --json
  [ "$status" -eq 0 ]
  [[ $output == '{"tolerance":0.05'* ]]
  [[ $output == *'"cell":"s/b/x=1","verdict":"pass","rounds":'* ]]
  for key in ratio low high smallest_visible; do [[ $output == *"\"$key\":"* ]]; done
}

@test "ten per cent more is a regression, exit 1; less is improved, exit 0" {
  rounds 1.1 >"$F"
  run "$TERNMARK" lab replay "$F"; [ "$status" -eq 1 ]; [[ $output == regression* ]]
  rounds 1 >"$F"
  run "$TERNMARK" lab replay "$F" --inject 1.10; [ "$status" -eq 1 ]
  run "$TERNMARK" lab replay "$F" --inject 1.10 --tolerance 20%; [ "$status" -eq 0 ]
  run "$TERNMARK" lab replay "$F" --inject 0.90 --json; [ "$status" -eq 0 ]; [[ $output == *'"improved"'* ]]
}

@test "at the tolerance it cannot tell, exit 3; a base unlike itself is unfit, exit 3" {
  rounds 1.05 >"$F"
  run "$TERNMARK" lab replay "$F"; [ "$status" -eq 3 ]; [[ $output == inconclusive* ]]
  rounds 1 1.1 >"$F"
  run "$TERNMARK" lab replay "$F"; [ "$status" -eq 3 ]; [[ $output == unfit*"disagrees with itself"* ]]
}

@test "a file without rounds is nothing to judge, exit 3" {
  echo "cell,process,round,lane,ns" >"$F"
  run "$TERNMARK" lab replay "$F"; [ "$status" -eq 3 ]; [[ $output == *"nothing to judge"* ]]
}

@test "each broken row is refused with its line, exit 2" {
  local rows=(
    'c,0,0,base,1\nc,0,0,base,2\n|:3: lane base twice'
    'c,0,0,base,1\nc,0,0,base2,2\n|:3: the file ends within a round'
    'c,0,0,base,1\nc,0,1,base2,2\n|:3: the round before this row has 1 of 3'
    'c,0,0,tail,1\n|:2: lane:'
    'c,0,0,base,nan\n|:2: ns:'    'c,0,0,base,inf\n|:2: ns:'   'c,0,0,base,0\n|:2: ns:'
    'c,0,0,base,-1\n|:2: ns:'     'c,0,0,base,\n|:2: ns:'      'c,0,0,base,1x\n|:2: ns:'   'c,0,0,base,0x10\n|:2: ns:'
    'c,-1,0,base,1\n|:2: process:' 'c,0,1.5,base,1\n|:2: round:' 'c,0,0,base\n|:2: expected 5 fields'
    'c,0,0,base,1,2\n|:2: expected 5 fields' ',0,0,base,1\n|:2: cell:' '"c,0,0,base,1\n|:2: a quoted field' '\n|:2: expected 5'
    'c,0,1,base,1\nc,0,1,base2,1\nc,0,1,head,1\nc,0,1,base,1\n|:5: round 1 does not come after round 1'
  )
  for row in "${rows[@]}"; do
    printf "cell,process,round,lane,ns\n${row%%|*}" >"$F"
    run "$TERNMARK" lab replay "$F"
    [ "$status" -eq 2 ] || { echo "${row}: $status $output"; false; }
    [[ $output == *"rounds.csv${row##*|}"* ]] || { echo "$row: $output"; false; }
  done
  : >"$F"; run "$TERNMARK" lab replay "$F"; [ "$status" -eq 2 ]
  echo "cell,process,round,lane,us" >"$F"; run "$TERNMARK" lab replay "$F"; [ "$status" -eq 2 ]; [[ $output == *":1: expected the header"* ]]
  run "$TERNMARK" lab replay "$BATS_TEST_TMPDIR/none.csv"; [ "$status" -eq 2 ]
}

@test "usage: unknown mode, no file, bad factor or tolerance, exit 2" {
  rounds 1 >"$F"
  run "$TERNMARK" lab dance; [ "$status" -eq 2 ]
  run "$TERNMARK" lab; [ "$status" -eq 2 ]
  run "$TERNMARK" lab replay; [ "$status" -eq 2 ]
  for factor in x 0 -1 nan inf ""; do run "$TERNMARK" lab replay "$F" --inject "$factor"; [ "$status" -eq 2 ]; done
  run "$TERNMARK" lab replay "$F" --tolerance 0; [ "$status" -eq 2 ]
}

@test "quoted names and CR LF are read; the same file gives the same bytes" {
  rounds 1.02 | sed 's|^s/b/x=1|"s/b/x=""a,b"""|; s/$/\r/' >"$F"
  run "$TERNMARK" lab replay "$F" --json; [ "$status" -eq 0 ]
  [[ $output == *'s/b/x=\"a,b\"'* ]]
  first=$output
  for i in 1 2 3 4 5; do run "$TERNMARK" lab replay "$F" --json; [ "$output" = "$first" ]; done
}

@test "a thousand replays of one file: the same bytes each time" {
  rounds 1.04 >"$F"
  first=$("$TERNMARK" lab replay "$F" --json | sha256sum)
  for _ in $(seq 1000); do "$TERNMARK" lab replay "$F" --json; done | split -l 1 --filter='sha256sum' - | sort -u >sums
  [ "$(wc -l <sums)" -eq 1 ]
  [ "$(cat sums)" = "$first" ]
}

@test "drawn from recordings: counts that the table sums, and the operating curve" {
  rounds 1 >"$F"
  rounds 1 >"$F.more.csv"
  "$TERNMARK" lab null "$F" "$F.more.csv" --cells 80 --json >null.json
  "$TERNMARK" lab power "$F" --change 0.10 --cells 40 --json >red.json
  "$TERNMARK" lab power "$F" --change -0.10 --cells 40 --json >less.json
  run "$TERNMARK" lab table null.json red.json less.json null.json --out curve.csv
  [ "$status" -eq 0 ]
  [[ $output == *"identical code, cells red"*" 0 of 160 "* ]]
  [[ $output == *"+10 % red within 5 s"*"40 of 40 "*"100.000 % [91.190, 100.000]"* ]]
  [[ $output == *"+10 % red within 1 s"*"not measured"* ]]
  [[ $output == *"-10 % improved"*"40 of 40"* ]]
  "$TERNMARK" lab table null.json red.json less.json null.json --json >sums.json
  [ "$("$TERNMARK" lab table sums.json)" = "$output" ]
  [ "$(head -1 curve.csv)" = true_change,runs,red,low,high ]
  [ "$(cut -d, -f1,2,3 curve.csv | sed 1d | tr '\n' ' ')" = "-0.1,40,0 0,160,0 0.1,40,1 " ]
}

@test "the table refuses what no lab wrote" {
  run "$TERNMARK" lab table; [ "$status" -eq 2 ]
  echo '{"change":0}' >f.json; run "$TERNMARK" lab table f.json; [ "$status" -eq 2 ]
  echo 'no json' >f.json; run "$TERNMARK" lab table f.json; [ "$status" -eq 2 ]
  run "$TERNMARK" lab table none.json; [ "$status" -eq 2 ]
}

@test "live: a known change is looked for in four cells at a time, and a run that the deadline cuts counts for nothing" {
  cat >six.lua <<'L'
return { spin = { axes = { { "size", { 1, 2, 3, 4, 5, 6 } } }, setup = function(p) return { p.size } end,
  run = function(s, n) local x = 1 for _ = 1, n do for i = 1, 100 do x = (x * 7 + i * s[1]) % 1000003 end end s.x = x end } }
L
  run "$TERNMARK" lab null six.lua --budget 300ms --json
  [ "$status" -eq 3 ]; [ -z "$output" ]
  "$TERNMARK" lab power six.lua --change 0.5 --cells 1 --json >four.json
  [ "$(python3 -c 'import json; d = json.load(open("four.json")); print(d["cells"], d["runs"])')" = "4 1" ]
}

# history changes --csv: what it prints, and what it refuses.

bats_require_minimum_version 1.5.0
setup() { cd "$BATS_TEST_TMPDIR"; }

step_series() {  # a step of 10 % at 30 on a ripple of 1 %
  echo series,index,value
  awk -v name="$1" 'BEGIN { for (i = 0; i < 60; i++) printf "%s,%d,%.3f\n", name, i, (i < 30 ? 100 : 110) * (1 + 0.01 * sin(12.9898 * i * i)) }'
}

@test "a step is one line, in whole and as a stream" {
  step_series a > a.csv
  run --separate-stderr "$TERNMARK" history changes --csv a.csv
  [ "$status" = 0 ] && [ "$output" = $'series,index\na,30' ] && [ -z "$stderr" ]
  run "$TERNMARK" history changes --csv a.csv --stream
  [ "$status" = 0 ] && [[ "$output" =~ ^series,index,seen$'\n'a,30,3[2-7]$ ]]
}

@test "series may be mixed, names quoted; a formula is defused" {
  { step_series '"x, ""y"""'; step_series '=1+1' | tail -n +2; } > mixed.csv
  run "$TERNMARK" history changes --csv mixed.csv
  [ "$status" = 0 ] && [ "${lines[1]}" = '"x, ""y""",30' ] && [ "${lines[2]}" = "\"'=1+1\",30" ]
}

@test "a ramp is told as a ramp, not as steps" {
  { echo series,index,value; awk 'BEGIN { for (i = 0; i < 100; i++) printf "r,%d,%.3f\n", i, 100 + i / 5 + sin(12.9898 * i * i) }'; } > ramp.csv
  run --separate-stderr "$TERNMARK" history changes --csv ramp.csv --verbose
  [ "$status" = 0 ] && [ "$output" = series,index ] && [[ "$stderr" == *"r: a ramp over the whole series"* ]]
}

@test "gaps and carriage returns are read" {
  step_series a | sed 's/^a,40,.*/a,40,/; s/$/\r/' > crlf.csv
  run "$TERNMARK" history changes --csv crlf.csv
  [ "$status" = 0 ] && [ "$output" = $'series,index\na,30' ]
}

refused() {  # TEXT LINE: exit 2, the file and the line are named
  printf '%b' "$1" > bad.csv
  run "$TERNMARK" history changes --csv bad.csv
  [ "$status" = 2 ] && [[ "$output" == *"bad.csv:$2: expected "* ]] || { echo "$1 → $status $output"; return 1; }
}

@test "what is not the form is refused with its line" {
  refused '' 1
  refused 'index,value\n' 1
  refused 'series,value,index\n' 1
  refused 'series,index,value\na,0\n' 2
  refused 'series,index,value\na,0,1,2\n' 2
  refused 'series,index,value\na,0,1\na,zero,1\n' 3
  refused 'series,index,value\na,0.5,1\n' 2
  refused 'series,index,value\na,,1\n' 2
  refused 'series,index,value\na,0,nan\n' 2
  refused 'series,index,value\na,0,inf\n' 2
  refused 'series,index,value\na,0,1e999\n' 2
  refused 'series,index,value\na,0,0x10\n' 2
  refused 'series,index,value\na,0, 1\n' 2
  refused 'series,index,value\na,0,1\na,0,1\n' 3
  refused 'series,index,value\na,1,1\nb,0,1\na,0,1\n' 4
  refused 'series,index,value\n"a,0,1\n' 2
  refused 'series,index,value\n"a"b,0,1\n' 2
  refused 'series,index,value\na,99999999999999999999,1\n' 2
  refused 'series,index,value\n\xff\xfe,0,1\n' 2
  refused 'series,index,value\na\0b,0,1\n' 2
}

@test "a missing file, a folder and a lone header" {
  run "$TERNMARK" history changes --csv none.csv
  [ "$status" = 2 ] && [[ "$output" == *none.csv* ]]
  run "$TERNMARK" history changes --csv .
  [ "$status" = 2 ]
  echo series,index,value > empty.csv
  run "$TERNMARK" history changes --csv empty.csv
  [ "$status" = 0 ] && [ "$output" = series,index ]
}

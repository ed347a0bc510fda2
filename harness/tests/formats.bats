#!/usr/bin/env bats
# Every output format through its consumer, with ordinary and with hostile names.

setup_file() {
  export DIR=$BATS_FILE_TMPDIR
  python3 harness/tests/results.py names "$DIR/hostile.json"
  python3 harness/tests/results.py names "$DIR/plain.json" plain
  python3 harness/tests/results.py many 40 "$DIR/many.json"
}

all_formats() { sed -n 's/^FORMAT("\([^"]*\)".*/\1/p' harness/report/formats.def; }

round_trip() {  # RUN FORMAT
  "$TERNMARK" report "$DIR/$1.json" --format "$2=$DIR/$1.$2"
  python3 harness/tests/consume.py "$2" "$DIR/$1.json" "$DIR/$1.$2"
}

@test "every format gives back every cell and number of an ordinary result" {
  for format in $(all_formats); do round_trip many "$format" || { echo "$format"; false; }; done
}

@test "every format survives the hostile names, and its reader too" {
  [ "$(python3 -c 'import json; print(len(json.load(open("harness/tests/hostile_names.json"))) >= 60)')" = True ]
  for format in $(all_formats); do round_trip hostile "$format" || { echo "$format"; false; }; done
}

@test "the page, the pictures and the terminal survive the hostile names; nothing runs" {
  mkdir "$BATS_TEST_TMPDIR/w"
  cd "$BATS_TEST_TMPDIR/w"
  "$TERNMARK" report "$DIR/hostile.json" --out out >terminal.txt
  "$TERNMARK" report "$DIR/plain.json" --out plain >/dev/null
  cd - >/dev/null
  W=$BATS_TEST_TMPDIR/w
  [ -z "$(find "$W" -name '*CANARY*')" ]
  [ ! -e CANARY ]
  [ -s "$W/out/overview-01.svg" ]
  [ ! -s "$W/out/data/gnuplot.log" ]
  cp "$W/plain/index.html" "$W/out/index.html.plain"
  python3 harness/tests/consume.py html "$DIR/hostile.json" "$W/out/index.html"
  python3 harness/tests/consume.py terminal "$DIR/hostile.json" "$W/terminal.txt"
  for picture in "$W"/out/*.svg; do python3 harness/tests/consume.py svg "$DIR/plain.json" "$picture"; done
  [ "$(ls "$W/out" | grep -vcE '^[a-z]+(-[0-9]+)?(-dark)?\.(svg|png|md|js|html|plain)$|^data$|^index\.html\.plain$')" = 0 ]
}

@test "xmllint takes the JUnit file, against a grammar of its elements" {
  "$TERNMARK" report "$DIR/hostile.json" --format "junit=$DIR/j.xml"
  xmllint --noout --relaxng harness/tests/junit.rng "$DIR/j.xml"
}

@test "promtool takes the OpenMetrics text" {
  command -v promtool >/dev/null || skip "promtool (package prometheus) is not installed"
  "$TERNMARK" report "$DIR/hostile.json" --format "openmetrics=$DIR/m.txt"
  promtool check metrics <"$DIR/m.txt"
}

@test "google-benchmark's compare.py reads it, and tests the samples with -u" {
  compare=/usr/share/benchmark/compare.py
  [ -e $compare ] || skip "compare.py (package libbenchmark-tools) is not installed"
  local python=
  for python in python3 /usr/bin/python3 ''; do $python -c 'import scipy' 2>/dev/null && break; done
  [ "$python" ] || skip "python3-scipy is not installed"
  for run in many hostile; do "$TERNMARK" report "$DIR/$run.json" --format "google-benchmark=$DIR/$run.gb.json"; done
  # Into files: every line is as wide as the longest name, and a shell takes minutes to hold that.
  $python $compare --no-color benchmarks "$DIR/many.gb.json" "$DIR/many.gb.json" >"$DIR/many.txt"
  grep -q "many/bench/batch=7_pvalue" "$DIR/many.txt"
  $python $compare --no-color benchmarks "$DIR/hostile.gb.json" "$DIR/hostile.gb.json" >"$DIR/hostile.txt"
  [ -s "$DIR/hostile.txt" ]
}

@test "python's json.tool reads what is JSON" {
  for format in json google-benchmark bencher github-action; do
    "$TERNMARK" report "$DIR/hostile.json" --format "$format=$DIR/t.json"
    python3 -m json.tool "$DIR/t.json" >/dev/null
  done
}

@test "a format to standard output is that format alone" {
  "$TERNMARK" report "$DIR/many.json" --format csv=- >"$DIR/out.csv"
  "$TERNMARK" report "$DIR/many.json" --format "csv=$DIR/file.csv"
  cmp "$DIR/out.csv" "$DIR/file.csv"
}

@test "unknown formats and files that can't be written are exit 2 and say what is wrong" {
  run "$TERNMARK" report "$DIR/many.json" --format yaml=x
  [ "$status" = 2 ]
  [[ "$output" == *"one of json, csv"*"found 'yaml=x'"* ]]
  run "$TERNMARK" report "$DIR/many.json" --format csv
  [ "$status" = 2 ]
  run "$TERNMARK" report "$DIR/many.json" --format csv=/nowhere/x.csv
  [ "$status" = 2 ]
  [[ "$output" == *"/nowhere/x.csv"* ]]
  run "$TERNMARK" report "$DIR/many.json" --format csv=/dev/full
  [ "$status" = 2 ]
}

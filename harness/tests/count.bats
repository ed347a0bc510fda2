# SPDX-License-Identifier: Apache-2.0
# Transcripts of --count: instructions by callgrind as a metric of their own.

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
  [[ $output == *regression*instruction_cou*paired*"sum/sum/words=64"* ]]
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

@test "a command is not counted, and says why" {
  cat >two.lua <<'L'
return { start = { command = { "true" } } }
L
  "$TERNMARK" run two.lua --count --out run.json || [ $? -eq 3 ]
  [[ $(counts run.json) == *"a command runs outside of the counter"* ]]
}

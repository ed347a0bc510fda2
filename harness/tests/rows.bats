# SPDX-License-Identifier: Apache-2.0
# The gate's verdict rows and the ways to game it, each with the exit code it must end with (and the word that must stand in its output).
# A row, its fields apart by |: name, what is done to a repository with a recorded baseline, the gate's arguments, exit codes allowed, a word
# of the output. A repository is copied with its times: make would take a source that is edited in the tick of the copy for built. Numbers are those of the rows and scripts that the gate is held to.
# 3 stands beside a code where another program on the machine may keep the stored comparison from judging: never 0 there.

bats_require_minimum_version 1.5.0
load gate_repository

setup_file() {
  export XDG_CACHE_HOME=$BATS_FILE_TMPDIR/cache REPO=$BATS_FILE_TMPDIR/origin
  make_repository "$REPO"
  "$TERNMARK" baseline record >/dev/null || return 1
  git add -A && git commit -qm baseline
}

setup() {
  export XDG_CACHE_HOME=$BATS_FILE_TMPDIR/cache
}

slow() { sed -i 's/r < rounds/r < rounds * 3/' sum.c; }
commit() { git add -A; git commit -qm "${1:-change}"; }

reseal_baseline() { reseal baselines/*/sum.json "$1"; }  # PYTHON

# Times of every stored sample of a run, multiplied.
scale='def scale(run, f): run["samples_ns"] = [[x * f for x in g] for g in run["samples_ns"]]'

try_rows() {  # N: reads so many rows from stdin; fails with every row that ended otherwise
  local wanted=$1 name action arguments codes word wrong=0 n=0
  while IFS='|' read -r name action arguments codes word; do
    [ -n "$name" ] || continue
    n=$((n + 1)); rm -rf "$BATS_TEST_TMPDIR/row"; cp -a "$REPO" "$BATS_TEST_TMPDIR/row"; cd "$BATS_TEST_TMPDIR/row"
    eval "$action" >/dev/null 2>&1
    run timeout 170 "$TERNMARK" gate $arguments </dev/null
    if [[ " $codes " != *" $status "* ]] || [[ $output != *$word* ]]; then
      echo "ROW $name: exit $status, expected $codes with '$word'"; printf '%s\n' "$output" | tail -n 12; wrong=$((wrong + 1))
    fi
  done
  echo "$n rows, $wrong wrong"
  [ "$wrong" -eq 0 ] && [ "$n" -eq "$wanted" ]
}

@test "fifteen verdict rows" {
  try_rows 23 <<'ROWS'
1 all present, none worse|sed -i 's/four sums, which/four sums: these/' sum.c; commit|--paired|0|pass
2 worse beyond the rule|slow; commit|--paired|1|regression
3 an expected cell is missing|sed -i 's/{ 64, 256 }/{ 64 }/' suites/sum.lua; commit|--paired|4|missing
4 missing and new together|sed -i 's/"words"/"length"/; s/p.words/p.length/g' suites/sum.lua; commit|--paired|4|missing
5 new only|sed -i 's/{ 64, 256 }/{ 64, 256, 512 }/' suites/sum.lua; commit|--paired|0|new
5 new only, strict|sed -i 's/{ 64, 256 }/{ 64, 256, 512 }/' suites/sum.lua; commit|--paired --strict|4|new
6 an empty suite|echo 'return {}' >suites/sum.lua; commit|--paired|3 4|missing
6 no baseline file|rm -r baselines; commit|--stored --base HEAD|3|no baseline
7 the subject crashes|sed -i 's/run = function(s, n)/run = function(s, n) ffi.cast("int *", 8)[0] = 1;/' suites/sum.lua; slow; commit|--paired|4|SIGSEGV
7 the subject is wrong|sed -i 's/tags = /check = function() return nil, "seven is not eight" end, tags = /' suites/sum.lua; slow; commit|--paired|3 4|seven is not eight
8 other hardware|f=$(echo baselines/*); mv $f baselines/other-key-00000000; commit|--stored --base HEAD|3|other hardware
9 another workload under the same name|sed -i 's/words, 3)/words, 5)/' suites/sum.lua; commit|--stored|3|not comparable
10 the baseline changed in the same change|reseal_baseline 'for c in top["cells"]: c["runs"] = c["runs"][:2]'; commit||1|without a recorded reason
11 better beyond the rule|slow; commit; sed -i 's/rounds \* 3/rounds/' sum.c; commit|--paired|0|improved
11 better beyond the rule, two-sided|slow; commit; sed -i 's/rounds \* 3/rounds/' sum.c; commit|--paired --two-sided|1|improved
12 a corrupt baseline|printf '{' >$(echo baselines/*/sum.json); commit|--base HEAD|5|sum.json
12 a newer schema|reseal_baseline 'top["schema"] = 99'; commit|--base HEAD|5|schema
12 a duplicate id|reseal_baseline 'top["cells"].append(top["cells"][0])'; commit|--base HEAD|5|twice
12 a wrong checksum|sed -i 's/"checksum": *"sha256:...../"checksum":"sha256:00000/' $(echo baselines/*/sum.json); commit|--base HEAD|5|checksum
12 NaN inside|sed -i 's/"schema": *1/"schema": NaN/' $(echo baselines/*/sum.json); commit|--base HEAD|5|sum.json
13 stored runs scatter too much|reseal_baseline "$scale"$'\nfor c in top["cells"]:\n  for i, r in enumerate(c["runs"]): scale(r, 3.0 ** (i % 3))'; commit|--stored --base HEAD|3|CANNOT
14 an old baseline|reseal_baseline 'top["anchor"]["date"] = "2020-01-01T00:00:00Z"; top["started_at"] = "2020-01-01T00:00:00Z"'; commit|--paired --base HEAD|0|pass
15 many small losses against the anchor|reseal_baseline "$scale"$'\nfor c in top["cells"]:\n  for r in c["runs"]:\n    if r["run_id"] == top["anchor"]["run_id"]: scale(r, 0.3)'; commit|--stored --base HEAD|1 3|anchor
ROWS
}

@test "thirty ways to game it" {
  try_rows 30 <<'ROWS'
1 delete the bench|git rm -q suites/sum.lua; mkdir -p suites; slow; commit|--paired|3 4|missing
2 rename the suite|git mv suites/sum.lua suites/sun.lua; slow; commit|--paired|4|missing
3 rename an axis|sed -i 's/"words"/"length"/; s/p.words/p.length/g' suites/sum.lua; slow; commit|--paired|4|missing
4 empty the suite|echo 'return {}' >suites/sum.lua; slow; commit|--paired|3 4|missing
5 drop one cell|sed -i 's/{ 64, 256 }/{ 64 }/' suites/sum.lua; slow; commit|--paired|4|missing
6 filter on the command line|slow; commit|--paired --filter words=nothing|3|not selected
7 filter, strict|slow; commit|--paired --strict --filter words=64|4|missing
8 set an axis, strict|slow; commit|--paired --strict --set words=64|4|missing
9 skip with a reason|sed -i 's/tags = /skip = function() return "later" end, tags = /' suites/sum.lua; slow; commit|--paired|4|missing
10 take the tag ci off|sed -i 's/tags = { "ci" }/tags = function(p) return p.words == 64 and { "ci" } or {} end/' suites/sum.lua; slow; commit|--paired|4|missing
11 raise the suite's tolerance|sed -i 's/tags = /tolerance = 9, tags = /' suites/sum.lua; slow; commit|--paired|1|widens the tolerance
12 raise it by a function|sed -i 's/tags = /tolerance = function() return 9 end, tags = /' suites/sum.lua; slow; commit|--paired|1|widens the tolerance
13 raise it on the command line|slow; commit|--paired --tolerance 2|2|tolerance
14 halve the workload|sed -i 's/lib.mix(s.words, s.n, 4)/lib.mix(s.words, s.n, 1)/' suites/sum.lua; commit|--stored|3|not comparable
15 change the input|sed -i 's/words, 3)/words, 9)/' suites/sum.lua; slow; commit|--stored|3|not comparable
16 run fewer iterations|sed -i 's/for _ = 1, n do/for _ = 1, n \/ 3 do/' suites/sum.lua; slow; commit|--stored|3|not comparable
17 leave early|sed -i 's/run = function(s, n)/run = function(s, n) os.exit(0)/' suites/sum.lua; slow; commit|--paired|2 3 4|sum
18 call exit in the library|sed -i 's/uint64_t h\[4\]/exit(0); uint64_t h[4]/; s/#include <stddef.h>/#include <stdlib.h>/' sum.c; commit|--paired|4|exit
19 crash|sed -i 's/uint64_t h\[4\]/__builtin_trap(); uint64_t h[4]/' sum.c; commit|--paired|4|SIG
20 hang|sed -i 's/uint64_t h\[4\]/for (volatile int k = 1; k;) ; uint64_t h[4]/' sum.c; commit|--paired --cell-timeout 1s|4|hung
21 eat memory|sed -i 's/uint64_t h\[4\] = /for (;;) *(volatile char *)malloc(1 << 26) = 1; uint64_t h[4] = /; s/#include <stddef.h>/#include <stdlib.h>/' sum.c; commit|--paired --memory-limit 300MiB|4|failed
22 do not build|echo '#error no' >>sum.c; commit|--paired|2|build
23 make every baseline slower|reseal_baseline "$scale"$'\nfor c in top["cells"]:\n  for r in c["runs"]: scale(r, 5)'; slow; commit||1|without a recorded reason
24 widen the baseline's noise|reseal_baseline "$scale"$'\nfor c in top["cells"]:\n  for i, r in enumerate(c["runs"]): scale(r, 2.0 ** (i % 3))'; slow; commit||1|without a recorded reason
25 delete the baseline|git rm -qr baselines; slow; commit|--stored|1 3|
26 break the baseline|echo '{}' >$(echo baselines/*/sum.json); slow; commit||1 5|
27 edit the hardware key|reseal_baseline 'top["hardware"]["key"] = "another-00000000"'; slow; commit|--base HEAD|5|key
28 edit the baseline without its checksum|sed -i 's/"schema": *1/"schema":  1/; s/samples_ns": *\[\[[0-9.]*/samples_ns":[[99999/' $(echo baselines/*/sum.json); commit|--base HEAD|5|checksum
29 move the anchor|reseal_baseline 'top["anchor"]["run_id"] = "00000000-0000-4000-8000-000000000000"; [c.__setitem__("runs", c["runs"][1:]) for c in top["cells"]]'; slow; commit||1|without a recorded reason
30 cut the history of commits|slow; commit; git checkout -q --orphan new; git commit -qm new; git branch -D main -q|--strict|1 3|
ROWS
}

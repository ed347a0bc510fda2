# bisect: a slowdown of 8 % among the commits of a real repository. Full (64 commits, 20 times) with TERNMARK_TEST_FULL=1.
bats_require_minimum_version 1.5.0

setup() {
  export XDG_CACHE_HOME=$BATS_TEST_TMPDIR/cache HOME=$BATS_TEST_TMPDIR BUILDS=$BATS_TEST_TMPDIR/builds
  mkdir -p "$BATS_TEST_TMPDIR/repository/suites" && cd "$BATS_TEST_TMPDIR/repository"
  git init -q -b main . && git config user.email test@example.org && git config user.name test
  cat > build.sh <<'S'
echo . >>"$BUILDS"
gcc -O2 -shared -fPIC -o libmix.so mix.c
S
  echo 'return { build = { "sh", "build.sh" }, artifacts = { mix = "libmix.so" }, suites = "suites" }' > ternmark.lua
  cat > suites/mix.lua <<'L'
local bench, ffi = require "bench", require "ffi"
ffi.cdef "uint64_t mix(const uint64_t *words, size_t n);"
local lib = ffi.load(bench.artifact "mix")
return {
  axes = { { "words", { 1000 } } },
  setup = function(p) return { words = ffi.new("uint64_t[?]", p.words, 3), n = p.words } end,
  run = function(s, n) for _ = 1, n do lib.mix(s.words, s.n) end end,
  tags = { "ci" },
}
L
  printf 'libmix.so\nreports/\n' > .gitignore
}

source_of() {  # VERSION FACTOR%: every commit differs in its code, one in its speed
  cat > mix.c <<C
#include <stdint.h>
#include <stddef.h>
const int mix_version = $1;
uint64_t mix(const uint64_t *words, size_t n)
{
    uint64_t h = (uint64_t)mix_version;
    for (size_t i = 0; i < n * $2 / 100; i++)
        h = (h ^ words[i < n ? i : i - n]) * 0x9e3779b97f4a7c15u + (h >> 7);
    return h;
}
C
}

repository() {  # COMMITS CULPRIT [BROKEN]: c0 is good; the culprit and all after it are 8 % slower
  local k
  for k in $(seq 0 "$1"); do
    source_of "$k" $((k < $2 ? 100 : 108))
    if [ "$k" = "${3:-none}" ]; then echo 'this does not compile' >> mix.c; fi
    git add -A && git commit -qm "c$k"
  done
}

@test "finds the commit, says how to see it again" {
  repository 5 2
  run "$TERNMARK" bisect HEAD~5 HEAD mix/mix/words=1000 --budget 3s
  echo "$output"
  [ "$status" = 0 ] && [[ "${lines[0]}" == *"  c2" ]] && [[ "$output" == *"again: ternmark gate --base "* ]]
  [ "$(wc -l < "$BUILDS")" -le 5 ]
}

@test "a commit that does not build is passed over" {
  [ -n "$TERNMARK_TEST_FULL" ] || skip "TERNMARK_TEST_FULL=1 runs it"
  repository 6 3 4
  run "$TERNMARK" bisect HEAD~6 HEAD mix/mix/words=1000 --budget 3s --json
  echo "$output"
  [ "$status" = 0 ] && [[ "$output" == *"\"commit\":\"$(git rev-parse HEAD~3)\""* ]]
}

@test "nothing to find is 3, nonsense is 2" {
  repository 2 9
  run "$TERNMARK" bisect HEAD~2 HEAD mix/mix/words=1000 --budget 3s
  echo "$output"
  [ "$status" = 3 ]
  run "$TERNMARK" bisect HEAD~2 HEAD
  [ "$status" = 2 ]
  run "$TERNMARK" bisect nowhere HEAD mix/mix/words=1000
  [ "$status" = 2 ]
  run "$TERNMARK" bisect HEAD HEAD mix/mix/words=1000
  [ "$status" = 2 ]
}

@test "8 % among 64 commits, 20 times, at most 8 builds" {
  [ -n "$TERNMARK_TEST_FULL" ] || skip "TERNMARK_TEST_FULL=1 runs it"
  for k in $(seq 1 20); do
    rm -rf .git cache "$BUILDS" "$XDG_CACHE_HOME"; git init -q -b main . && git config user.email t@example.org && git config user.name t
    culprit=$((k * 37 % 64 + 1))
    repository 64 $culprit
    run "$TERNMARK" bisect HEAD~64 HEAD mix/mix/words=1000
    echo "# $k: c$culprit: ${lines[*]} builds $(wc -l < "$BUILDS")" >&3
    [ "$status" = 0 ] && [[ "${lines[0]}" == *"  c$culprit" ]]
    [ "$(wc -l < "$BUILDS")" -le 8 ]
  done
}

# A small C library in a repository of its own, gated by its ternmark.lua. Sourced by gate's transcripts.

make_repository() {  # FOLDER: branch main, one commit
  mkdir -p "$1/suites" && cd "$1" || return 1
  git init -q -b main . && git config user.email test@example.org && git config user.name test
  cat >sum.c <<'C'
#include <stdint.h>
#include <stddef.h>
/* mixes n words; rounds is the amount of work per word */
uint64_t mix(const uint64_t *words, size_t n, int rounds)
{
    uint64_t h[4] = {1, 2, 3, 4};  /* four sums, which -O2 keeps in registers and -O1 in memory */
    for (size_t i = 0; i + 4 <= n; i += 4)
        for (int r = 0; r < rounds; r++)
            for (int k = 0; k < 4; k++)
                h[k] = (h[k] + words[i + (size_t)k]) ^ (h[k] << 1);
    return h[0] + h[1] + h[2] + h[3];
}
C
  cat >Makefile <<'M'
libsum.so: sum.c Makefile
	gcc -O2 -shared -fPIC $(EXTRA) -o $@ sum.c
M
  cat >ternmark.lua <<'L'
return { build = { "make", "libsum.so" }, artifacts = { sum = "libsum.so" }, suites = "suites" }
L
  cat >suites/sum.lua <<'L'
local bench, ffi = require "bench", require "ffi"
ffi.cdef "uint64_t mix(const uint64_t *words, size_t n, int rounds);"
local lib = ffi.load(bench.artifact "sum")
return {
  axes = { { "words", { 64, 256 } } },
  setup = function(p) return { words = ffi.new("uint64_t[?]", p.words, 3), n = p.words } end,
  run = function(s, n) for _ = 1, n do lib.mix(s.words, s.n, 4) end end,
  tags = { "ci" },
}
L
  printf 'libsum.so\nreports/\n' >.gitignore
  git add -A && git commit -qm first
}

commit() { git add -A && git commit -qm "$1"; }

reseal() {  # FILE PYTHON: edits the JSON and gives it a right checksum
  python3 - "$1" "$2" <<'P'
import hashlib, json, sys
path, code = sys.argv[1], sys.argv[2]
top = json.load(open(path))
exec(code)
top.pop("checksum", None)
text = json.dumps(top, sort_keys=True, separators=(",", ":"))
top["checksum"] = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
json.dump(top, open(path, "w"))
P
}

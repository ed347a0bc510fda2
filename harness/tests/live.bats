# history live: a running program watched against the store.
bats_require_minimum_version 1.5.0

setup() {
  cd "$BATS_TEST_TMPDIR"
  export TERNMARK_STORE=sqlite:$PWD/history.db TERNMARK_SPOOL=$PWD/spool
}

lines() {  # NAME LEVEL COUNT: lines of a monitor, 16 samples each, spread 4 %
  awk -v name="$1" -v level="$2" -v count="$3" 'BEGIN { srand(7); for (i = 0; i < count; i++) { printf "{\"name\":\"%s\",\"ns\":[", name
    for (k = 0; k < 16; k++) printf "%s%.4f", k ? "," : "", level * (1 + 0.08 * (rand() - 0.5)); print "]}" } }'
}

@test "above the stored level: one alert, kept, told once, also over a restart" {
  run "$TERNMARK" history live < <(lines decode 1000 20)
  [ "$status" = 0 ] && [[ "$output" == *"1 names, 1 points stored, 0 alerts; 1 names are new"* ]]
  run "$TERNMARK" history live < <(lines decode 1040 40)
  echo "$output"; [ "$status" = 0 ]
  run "$TERNMARK" history live --hook tee --hook got.json < <(lines decode 1000 20; lines decode 1120 40)
  echo "$output"
  [ "$status" = 1 ] && [ "$(grep -c ^NEW <<<"$output")" = 1 ] && [[ "$output" == *"NEW minor"*"live/decode"* ]]
  python3 -c 'import json; a = json.load(open("got.json")); assert a["kind"] == "live" and a["cell"] == "live/decode" and 0.05 < a["change"] < 0.15 and a["low"] <= a["change"] <= a["high"], a'
  rm got.json
  run "$TERNMARK" history live --hook tee --hook got.json < <(lines decode 1120 40)
  echo "$output"
  [ "$status" = 0 ] && [ ! -e got.json ]
  run "$TERNMARK" history changes live/decode
  echo "$output"
  [ "$status" = 0 ] && [[ "$output" == *"minor"*"live/decode"*"#1"* ]]
}

@test "a muted name is stored and not told" {
  "$TERNMARK" history live < <(lines decode 1000 20)
  "$TERNMARK" history mute decode --reason "known" --until 2090-01-01
  run "$TERNMARK" history live --hook touch --hook called < <(lines decode 1300 20)
  [ "$status" = 0 ] && [[ "$output" == *"muted: known"* ]] && [ ! -e called ]
}

@test "a program that runs the engine is watched without knowing it" {
  cat > program.py <<'P'
import ctypes, sys
lib = ctypes.CDLL(sys.argv[1])
class Param(ctypes.Structure): _fields_ = [("name", ctypes.c_char_p), ("value", ctypes.c_char_p)]
op, error = ctypes.c_void_p(), ctypes.create_string_buffer(4096)
assert lib.tern_op_bind(b"bitlinear", (Param * 2)(Param(b"shape", b"256x256"), Param(b"backend", b"scalar")), ctypes.c_size_t(2), ctypes.byref(op), error) == 0
for _ in range(3000): lib.tern_op_run(op, ctypes.c_uint64(1))
print("done")
P
  run --separate-stderr "$TERNMARK" history live -- python3 program.py "$(realpath "${TERNMARK%/*}/libtern.so")"
  echo "$stderr"
  [ "$status" = 0 ] && [ "$output" = done ] && [[ "$stderr" == *"1 names, 1 points stored"* ]]
  run "$TERNMARK" history trend live/bitlinear
  echo "$output"
  [ "$status" = 0 ] && [[ "$output" == *"live/bitlinear/"*"shape=256x256"*"time (ns)"* ]]
}

@test "points by time, and what the program says of itself" {
  feed() { for _ in 1 2 3; do lines a 100 5; lines b 200 5; sleep 0.7; done; }
  run "$TERNMARK" history live --every 500ms < <(feed)
  echo "$output"
  [ "$status" = 0 ] && [[ "$output" == *"2 names, 3 points stored"* ]]
  run "$TERNMARK" history live -- sh -c 'echo "{\"name\":\"a\",\"ns\":[100]}" >&3; exit 3'
  [ "$status" = 4 ]
  run "$TERNMARK" history live true; [ "$status" = 3 ]
  run "$TERNMARK" history live /none; [ "$status" = 2 ]
  run "$TERNMARK" history live < <(echo nonsense; echo '{"name":"a"}'; echo '{"name":"a","ns":["x",-1]}')
  [ "$status" = 0 ] && [[ "$output" == *"2 lines were none of a monitor"* ]]
}

@test "a store that is out of reach: points wait and go in later, once" {
  run "$TERNMARK" history live --store "postgresql:///none?host=$PWD" < <(lines decode 1000 20)
  echo "$output"
  [ "$status" = 0 ] && [[ "$output" == *"1 points wait for the store"* ]] && [ "$(ls spool | wc -l)" = 1 ]
  run "$TERNMARK" history import
  [[ "$output" == "1 runs with 1 points imported"* ]]
  run "$TERNMARK" history live < <(lines decode 1200 20)
  [ "$status" = 1 ]
}

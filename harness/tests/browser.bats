#!/usr/bin/env bats
# The page in headless Chromium: opens, sorts, filters, passes axe-core, also with 1,000 cells and hostile names (how fast is ci/use-speed's).
# Needs chromium, node and npm, so it runs where TERNMARK_TEST_BROWSER=1 asks for it (make test-full).

setup_file() {
  [ "${TERNMARK_TEST_BROWSER:-0}" = 1 ] || return 0
  export WORK=$BATS_FILE_TMPDIR
  cp harness/tests/browser/package.json harness/tests/browser/page.mjs "$WORK"
  (cd "$WORK" && npm install --silent --no-audit --no-fund)
}

setup() {
  [ "${TERNMARK_TEST_BROWSER:-0}" = 1 ] || skip "TERNMARK_TEST_BROWSER=1 (make test-full) runs it"
  CHROMIUM=$(command -v chromium || command -v chromium-browser) || skip "chromium is not installed"
}

look() {  # NAME RUN...: makes the report and opens it
  mkdir -p "$WORK/shots-$1"
  "$TERNMARK" report "${@:2}" --out "$WORK/$1" >/dev/null
  cd "$WORK"
  timeout 120 node page.mjs "$CHROMIUM" "$WORK/$1" "$WORK/shots-$1"
}

@test "a report with every picture" {
  python3 harness/tests/results.py series 3 "$WORK"
  python3 harness/tests/results.py many 40 "$WORK/many.json"
  look many "$WORK/run-01.json" "$WORK/run-02.json" "$WORK/run-03.json" "$WORK/many.json"
}

@test "1,000 cells sort and filter" {
  python3 harness/tests/results.py many 1000 "$WORK/thousand.json"
  look thousand "$WORK/thousand.json"
}

@test "hostile names" {
  python3 harness/tests/results.py names "$WORK/hostile.json"
  look hostile "$WORK/hostile.json"
}

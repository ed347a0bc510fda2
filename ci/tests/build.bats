#!/usr/bin/env bats
# The build itself: set-up, reproducible bytes, hardening, the tarball.

setup() { BUILD=$(dirname "$TERNMARK"); }

copy_tree() {  # to $1, without build output
  mkdir -p "$1"
  tar -c --exclude=./build --exclude=./.git --exclude=./reports/out . | tar -x -C "$1"
}

@test "set-up: with TERNMARK_NO_INSTALL=1 the missing packages are listed and the exit is 2" {
  cp -r ci "$BATS_TEST_TMPDIR/ci"
  echo 'build no-such-package-anywhere dpkg' >"$BATS_TEST_TMPDIR/ci/packages"
  TERNMARK_NO_INSTALL=1 run "$BATS_TEST_TMPDIR/ci/setup" "$BATS_TEST_TMPDIR/stamp" build
  [ "$status" = 2 ]
  [[ "$output" == *"no-such-package-anywhere"* ]]
  [ ! -e "$BATS_TEST_TMPDIR/stamp" ]
}

@test "set-up: groups that were not asked for are not looked at" {
  cp -r ci "$BATS_TEST_TMPDIR/ci"
  printf 'full no-such-package-anywhere dpkg\nbuild bash dpkg\n' >"$BATS_TEST_TMPDIR/ci/packages"
  TERNMARK_NO_INSTALL=1 run "$BATS_TEST_TMPDIR/ci/setup" "$BATS_TEST_TMPDIR/stamp" build
  [ "$status" = 0 ]
  [ -e "$BATS_TEST_TMPDIR/stamp" ]
}

@test "two builds in two folders are identical bytes, and a comment in the engine changes none" {
  [[ "$BUILD" == */build ]] || skip "only the plain build is compared"
  copy_tree "$BATS_TEST_TMPDIR/other/place"
  cd "$BATS_TEST_TMPDIR/other/place"
  sed -i '1a /* a comment that was not here before, on a line of its own */\n/* and another */' engine/core/op.c
  TZ=Asia/Tokyo make -s -j2 build
  cmp build/libtern.so "$BUILD/libtern.so"
  cmp build/ternmark "$BUILD/ternmark"
}

@test "binaries are hardened: PIE, full RELRO, no executable stack, stack protector" {
  [[ "$BUILD" == */build ]] || skip "sanitizers replace some of it"
  for file in "$BUILD/ternmark" "$BUILD/libtern.so"; do
    readelf -hW "$file" | grep -q 'Type:.*DYN'
    readelf -lW "$file" | grep -q GNU_RELRO
    readelf -dW "$file" | grep -qE 'BIND_NOW|NOW'
    readelf -lW "$file" | grep GNU_STACK | grep -qv E
    readelf -sW "$file" | grep -q __stack_chk_fail
  done
  readelf -sW "$BUILD/ternmark" | grep -q '_chk'
  ! readelf -dW "$BUILD/libtern.so" | grep -qiE 'NOOPEN|NODLOPEN'
}

@test "the engine exports only its public names" {
  [[ "$BUILD" == */build ]] || skip "instrumented builds export their own"
  run bash -c "nm -D --defined-only '$TERN' | awk '{print \$3}' | grep -v '^tern_'"
  [ -z "$output" ]
}

@test "the fuzz target links, and its corpus replays without a finding" {
  [[ "$BUILD" == */build ]] || skip "it has its own sanitizers"
  make -s build/fuzz_gguf
  build/fuzz_gguf -runs=0 -max_len=4096 engine/tests/corpus/gguf
}

@test "the tarball runs where there is nothing but glibc" {
  [[ "$BUILD" == */build ]] || skip "only the plain build is packed"
  [ "$(id -u)" = 0 ] || skip "chroot needs root"
  unshare -m --propagation private true 2>/dev/null || skip "no mount namespace here"
  run make -s dist
  [ "$status" = 0 ]
  tarball=${lines[-1]}
  [ "$(stat -c %s "$tarball")" -le $((40 << 20)) ]
  root=$BATS_TEST_TMPDIR/root
  mkdir -p "$root"/{lib64,lib/x86_64-linux-gnu,proc,dev,tmp,opt}
  tar -xzf "$tarball" -C "$root/opt"
  mv "$root"/opt/* "$root/opt/ternmark"
  cp -L /lib64/ld-linux-x86-64.so.2 "$root/lib64/"
  for name in libc.so.6 libm.so.6 libdl.so.2 libpthread.so.0 librt.so.1 libresolv.so.2; do
    cp -L "/lib/x86_64-linux-gnu/$name" "$root/lib/x86_64-linux-gnu/"
  done
  cat >"$BATS_TEST_TMPDIR/inside" <<'END'
mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && mount --rbind /sys "$1/sys" 2>/dev/null
exec env -i "$(command -v chroot)" "$1" /opt/ternmark/ternmark run /opt/ternmark/suites/empty.lua --budget 2s --out /tmp/run.json
END
  mkdir -p "$root/sys"
  run unshare -m --propagation private bash "$BATS_TEST_TMPDIR/inside" "$root"
  echo "$output"
  [ "$status" = 0 ]
  grep -q '"complete"' "$root/tmp/run.json"
}

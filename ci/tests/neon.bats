# SPDX-License-Identifier: Apache-2.0
# The NEON backends, cross-compiled and run under an emulator: every kernel against scalar.

@test "NEON kernels give scalar's bits" {
  run ci/neon "$BATS_TEST_TMPDIR/arm"
  [ "$status" -ne 77 ] || skip "$output"
  echo "$output"
  [ "$status" -eq 0 ]
  [[ "$output" == *"backends: scalar neon neondot"* ]]
  [[ "$output" == *"ok 5 - tables"* ]]
}

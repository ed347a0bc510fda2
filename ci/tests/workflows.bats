#!/usr/bin/env bats
# The workflow templates pass their lint, and the lint sees what it is for.

template() { cat ci/templates/github/ternmark-measure.yml; }
lint() { ci/lint-workflows "$BATS_TEST_TMPDIR/w.yml"; }

@test "the templates and our own workflow are clean" {
  run ci/lint-workflows ci/templates/github/*.yml .github/workflows/*.yml
  echo "$output"; [ "$status" = 0 ]
}

@test "an action pinned by a tag is found" {
  template | sed 's/actions\/checkout@[0-9a-f]*/actions\/checkout@v4/' >"$BATS_TEST_TMPDIR/w.yml"
  run lint; [ "$status" = 1 ]; [[ "$output" == *"not pinned"* ]]
}

@test "pull_request_target, write permissions, secrets and missing permissions are found" {
  template | sed 's/pull_request:/pull_request_target:/' >"$BATS_TEST_TMPDIR/w.yml"
  run lint; [ "$status" = 1 ]; [[ "$output" == *pull_request_target* ]]
  template | sed 's/contents: read/contents: write/' >"$BATS_TEST_TMPDIR/w.yml"
  run lint; [ "$status" = 1 ]; [[ "$output" == *"write permission"* ]]
  template | sed 's/BASE_SHA: .*/BASE_SHA: ${{ secrets.TOKEN }}/' >"$BATS_TEST_TMPDIR/w.yml"
  run lint; [ "$status" = 1 ]; [[ "$output" == *secret* ]]
  template | grep -v '^permissions:' >"$BATS_TEST_TMPDIR/w.yml"
  run lint; [ "$status" = 1 ]; [[ "$output" == *"no top-level permissions"* ]]
}

@test "an expression inside a shell line, a kept token and an endless job are found" {
  template | sed 's/"\$BASE_SHA"/${{ github.event.pull_request.title }}/' >"$BATS_TEST_TMPDIR/w.yml"
  run lint; [ "$status" = 1 ]; [[ "$output" == *"inside a shell line"* ]]
  template | grep -v persist-credentials >"$BATS_TEST_TMPDIR/w.yml"
  run lint; [ "$status" = 1 ]; [[ "$output" == *"keeps the token"* ]]
  template | grep -v timeout-minutes >"$BATS_TEST_TMPDIR/w.yml"
  run lint; [ "$status" = 1 ]; [[ "$output" == *"no timeout-minutes"* ]]
}

@test "a privileged job that checks out the change is found" {
  sed 's/persist-credentials: false/persist-credentials: false\n          ref: ${{ github.event.workflow_run.head_sha }}/' \
    ci/templates/github/ternmark-judge.yml >"$BATS_TEST_TMPDIR/w.yml"
  run lint; [ "$status" = 1 ]; [[ "$output" == *"checks out the change"* ]]
}

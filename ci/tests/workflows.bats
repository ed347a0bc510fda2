#!/usr/bin/env bats
# The workflow templates pass their lint, and each thing the lint is for is found when it is put in.

@test "the templates have no finding" {
  run ci/lint-workflows ci/workflows/*.yml ci/workflows/Jenkinsfile
  [ "$status" = 0 ]
  [ -z "$output" ]
}

@test "each fault is found" {
  while IFS='|' read -r file change wanted; do
    sed -E "$change" "ci/workflows/$file" >"$BATS_TEST_TMPDIR/$file"
    if cmp -s "ci/workflows/$file" "$BATS_TEST_TMPDIR/$file"; then echo "no change: $file $change"; false; fi
    run ci/lint-workflows "$BATS_TEST_TMPDIR/$file"
    [ "$status" = 1 ] && [[ "$output" == *"$wanted"* ]] || { echo "$file: $change: $output"; false; }
  done <<'ROWS'
github-measure.yml|s/^  pull_request:/  pull_request_target:/|runs a fork's change with secrets
github-measure.yml|s/@11bd[0-9a-f]*/@v4/|not pinned
github-measure.yml|s/(@ea16[0-9a-f]*) # v4.6.2/\1/|with its version beside it
github-measure.yml|s/^permissions:/permission:/|no top-level permissions
github-measure.yml|s/contents: read/contents: write/|the measuring job may write
github-measure.yml|/timeout-minutes/d|without a time limit
github-measure.yml|s/ubuntu-24.04/[self-hosted, lab]/|a machine of one's own
github-measure.yml|s/persist-credentials: false/persist-credentials: true/|the token stays
github-measure.yml|s/code=0/title="${{ github.event.pull_request.title }}"/|substituted into a script
github-measure.yml|s/code=0/code=${{ secrets.KEY }}/|a secret is used
github-judge.yml|s/--rejudge/--verbose/|are believed
github-judge.yml|s/actions.download-artifact@/actions\/checkout@/|checks out a change
github-judge.yml|/ref: .*steps.pull/d|checks out a change
github-judge.yml|s/ref: .*steps.pull.*/ref: refs\/pull\/1\/head/|checks out a change
github-judge.yml|s/--baselines/--verbose/|baselines are not asked
gitlab-ci.yml|s/--baselines/--verbose/|baselines are not asked
Jenkinsfile|s/--baselines/--verbose/|baselines are not asked
github-judge.yml|s/const head = .*/const head = "${{ github.head_ref }}";/|substituted into a script
gitlab-ci.yml|s/--rejudge//|are believed
gitlab-ci.yml|/GIT_STRATEGY/d|checks out a change
Jenkinsfile|s/--rejudge//|are believed
Jenkinsfile|s/timeout\(/timer(/|without a time limit
ROWS
}

@test "nothing unpinned or unknown stands in any template" {
  [ -z "$(grep -hoE '^ *(- )?uses: +[^@]+@[^ ]+' ci/workflows/*.yml | grep -vE '@[0-9a-f]{40}$')" ]
}

#!/usr/bin/env bats
# The judging job of ci/workflows/github-judge.yml, its own steps run here: what a hostile artifact can reach, what the base's baselines add,
# and that there is one comment. GitHub is played by a small object in Node.

bats_require_minimum_version 1.5.0
workflow=$BATS_TEST_DIRNAME/../workflows/github-judge.yml

block() {  # KEY NUMBER: the NUMBERth literal block under this key, without its indentation
  awk -v key="$1" -v wanted="$2" '
    { match($0, /^ */); indent = RLENGTH }
    inside && NF && indent <= depth { inside = 0 }
    inside && number == wanted { if (!first && NF) first = indent; print substr($0, first + 1) }
    $0 ~ "^ *(- )?" key ": *\\|$" { inside = 1; depth = indent; number++ }' "$workflow"
}

setup() {
  cd "$BATS_TEST_TMPDIR" || return 1
  results=$BATS_TEST_DIRNAME/../../harness/tests/results.py
  export RUNNER_TEMP=$PWD GITHUB_WORKSPACE=$PWD/workspace GITHUB_OUTPUT=$PWD/output GITHUB_STEP_SUMMARY=$PWD/summary
  mkdir -p ternmark/build untrusted workspace/base/baselines
  : "${TERNMARK:?the path of the program}"
  ln -s "$TERNMARK" ternmark/build/ternmark
  python3 "$results" many 6 untrusted/gate.json
  block run 2 >judge.sh
  grep -q -- --rejudge judge.sh
}

change() {  # FILE PYTHON: changes `run` and signs it again
  python3 - "$1" "$2" <<'EOF'
import hashlib, json, sys
with open(sys.argv[1]) as file: run = json.load(file)
exec(sys.argv[2])
run.pop("checksum", None)
run["checksum"] = "sha256:" + hashlib.sha256(json.dumps(run, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
with open(sys.argv[1], "w") as file: json.dump(run, file)
EOF
}

baseline() {  # the artifact's own cells as the base's stored baseline, $1 times as fast
  mkdir -p workspace/base/baselines/some-cpu-2c-8gib-0a1b2c3d
  local file=workspace/base/baselines/some-cpu-2c-8gib-0a1b2c3d/many.json
  cp untrusted/gate.json "$file"
  change "$file" "
factor = $1
run['kind'] = 'baseline'; del run['gate']; run['exit'] = 0
run.update(anchor={'run_id': run['run_id'], 'commit': None, 'date': run['started_at']}, accepted=[], renames={})
for cell in run['cells']:
    cell['verdicts'] = []; cell['paired'] = None
    for one in cell['runs']: one['samples_ns'] = [[ns / factor for ns in g] for g in one['samples_ns']]
    cell['summary'] = {key: value / factor for key, value in cell['summary'].items()}"
}

quiet_rounds="
for cell in run['cells']:
    for turn in cell['paired']['rounds']: turn['ns'] = [1e5 * (1 + 0.0001 * ((turn['round'] + i) % 3)) for i in range(3)]"

judge() { bash -e judge.sh; sed -n 's/^code=//p' output; }

@test "verdicts are those of the rounds, whatever the file says" {
  change untrusted/gate.json "$quiet_rounds
for cell in run['cells']:
    for verdict in cell['verdicts']: verdict['verdict'] = 'regression'"
  run judge
  [ "${lines[-1]}" = 0 ]
  grep -q 'pass' comment.md
}

@test "slower than the base's stored baseline is red though both lanes are alike; a cell that it has and the file lacks is missing" {
  change untrusted/gate.json "$quiet_rounds"
  baseline 4
  run judge
  [ "${lines[-1]}" = 1 ]
  grep -q 'stored' comment.md
  rm output
  baseline 1
  change untrusted/gate.json "run['cells'] = run['cells'][:-1]"
  run judge
  [ "${lines[-1]}" = 4 ]
  grep -q 'missing' comment.md
}

@test "a file that is no result, too old, unsigned or none at all ends red, and tells nothing of what it points to" {
  echo "token=SECRET" >secret
  for kind in link text none cut; do
    rm -rf untrusted output; mkdir untrusted
    case $kind in
      link) ln -s ../secret untrusted/gate.json ;;
      text) cp secret untrusted/gate.json ;;
      cut) python3 "$results" many 2 untrusted/gate.json; truncate -s -9 untrusted/gate.json ;;
    esac
    run judge
    [ "${lines[-1]}" = 4 ] || [ "${lines[-1]}" = 5 ]
    [[ "$output" != *SECRET* ]]
    ! grep -q SECRET comment.md summary
  done
}

@test "a hardware key is no way out of the baselines' folder, and hostile names reach neither the commands nor the comment" {
  mkdir outside; echo '{' >outside/x.json
  change untrusted/gate.json "run['hardware']['key'] = '../../../outside'"
  run judge
  [ "${lines[-1]}" = 5 ]
  [[ "$output" == *"the hardware key is no name"* ]]
  rm -f output
  python3 "$results" names untrusted/gate.json
  change untrusted/gate.json "run['hardware']['key'] = 'k'"
  run judge
  ! grep -vE '^(\| |[0-9]+$)' <<<"$output"
  ! sed 's/`[^`]*`//g' comment.md | grep -qE '^::|<script'  # between backticks nothing is markup
}

@test "one comment, kept up to date; number, commit and base come from the event" {
  command -v node >/dev/null || skip "node is not installed"
  block script 1 >pull.js
  block script 2 >tell.js
  echo 'first' >comment.md
  cat >play.mjs <<'EOF'
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
const comments = [{ id: 1, user: { type: "User" }, body: "<!-- ternmark -->\nforged by a user" }], statuses = [], outputs = {};
const pull = { number: 7, head: { sha: "abc" }, base: { sha: "base-sha" } };
const github = {
  rest: {
    pulls: { list: async (query) => ({ data: query.head === "fork:topic" ? [{ number: 6, head: { sha: "other" }, base: {} }, pull] : [] }) },
    repos: { createCommitStatus: async (status) => statuses.push(status) },
    issues: {
      listComments: "list",
      createComment: async ({ issue_number, body }) => comments.push({ id: comments.length + 1, user: { type: "Bot" }, body, issue_number }),
      updateComment: async ({ comment_id, body }) => { comments.find((each) => each.id === comment_id).body = body; },
    },
  },
  paginate: async () => comments,
};
const context = { repo: { owner: "o", repo: "r" }, payload: { repository: { default_branch: "main" }, workflow_run: { head_repository: { owner: { login: "fork" } }, head_branch: "topic", head_sha: "abc" } } };
const core = { setOutput: (name, value) => { outputs[name] = value; } };
const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor;
const script = (name) => new AsyncFunction("github", "context", "core", "require", readFileSync(name, "utf8"));
const require = createRequire(import.meta.url);
await script("pull.js")(github, context, core, require);
process.env.NUMBER = String(outputs.number);
for (const code of ["1", "0", "5"]) {
  process.env.CODE = code;
  await script("tell.js")(github, context, core, require);
}
context.payload.workflow_run.head_branch = "gone";
await script("pull.js")(github, context, core, require);
process.env.NUMBER = String(outputs.number);
await script("tell.js")(github, context, core, require);
console.log(JSON.stringify({ comments: comments.length, first: comments[0].body.slice(-6), issue: comments[1].issue_number, body: comments[1].body, states: statuses.map((each) => each.state), shas: [...new Set(statuses.map((each) => each.sha))], base: outputs.base }));
EOF
  run node play.mjs
  [ "$output" = '{"comments":2,"first":"a user","issue":7,"body":"<!-- ternmark -->\nfirst\n","states":["failure","success","error","error"],"shas":["abc"],"base":"main"}' ]
}

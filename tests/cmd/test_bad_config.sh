# A configuration that is wrong: one sentence with the file, the place and the remedy, exit status 2
# (1 where a file is to blame), nothing written; on three ranks as on one.
. tests/cmd/tap.sh

tiny=configs/experiments/tiny.yaml
in=$WORK/in
mkdir -p "$in"

refused() { # STATUS NAME PATTERN ARGUMENT...: karma train refuses its arguments in one sentence
    want=$1 name=$2 pattern=$3
    shift 3
    refused_by "$want" "$name" "$pattern" "$KARMA" train "$@" --set run.dir="$WORK/run"
}

refused_by() { # STATUS NAME PATTERN COMMAND...
    want=$1 name=$2 pattern=$3
    shift 3
    run timeout "$HANGS" "$@"
    why=
    [ "$rc" = "$want" ] || why="exit status $rc, expected $want"
    [ "$(grep -c 'error: ' "$WORK/err")" = 1 ] || why="$why; not one sentence"
    grep 'error: ' "$WORK/err" | grep -Eq -- "$pattern" || why="$why; does not match $pattern"
    [ ! -s "$WORK/out" ] || why="$why; standard output"
    [ ! -e "$WORK/run" ] || why="$why; something was written"
    rm -rf "$WORK/run"
    [ -z "$why" ]
    result $? "$name${why:+ ($why)}"
}

file() { # NAME: a file of the test, from standard input
    cat >"$in/$1"
}

# --- keys and values -----------------------------------------------------------------------------
file unknown.yaml <<'EOF'
train:
  updates: 1
  sede: 3
EOF
refused 2 "unknown key" "unknown\.yaml:3:3: .*'sede'.*did you mean 'seed'" "$in/unknown.yaml"
refused 2 "unknown key of --set" "train\.sede=1: .*did you mean 'seed'" $tiny --set train.sede=1

file type.yaml <<'EOF'
train:
  updates: many
EOF
refused 2 "wrong type" "type\.yaml:2:12: train\.updates: .*'many'.*whole number" "$in/type.yaml"
refused 2 "a number for a map" "workload: .*'3'.*map" $tiny --set workload=3

file range.yaml <<'EOF'
train: {seed: 1, envs: 0}
EOF
refused 2 "out of range" "range\.yaml:1:24: train\.envs: .*'0'.*from 1" "$in/range.yaml"
refused 2 "no such choice" "train\.init: .*'copy'.*scratch" $tiny --set train.init=copy
refused 2 "no such method" "eval\.controllers\.0: .*'kpha', which is no method; did you mean 'khpa'" \
    $tiny --set 'eval.controllers=[kpha]'
refused 2 "two methods" "eval\.controllers\.0: both khpa and ff are given" \
    $tiny --set 'eval.controllers=[{khpa: {}, ff: {}}]'
refused 2 "a parameter of another method" "eval\.controllers\.0\.khpa: unknown key 'growth'" \
    $tiny --set 'eval.controllers=[{khpa: {growth: 2}}]'
refused 2 "a rule that needs a policy" "'train\.clone\.rule': its rule is policy, which needs a trained policy" \
    $tiny --set train.init=clone --set train.clone.rule=policy
refused 2 "a rule with foresight to imitate" "'train\.clone\.rule': its rule is oracle, which needs foresight" \
    $tiny --set train.init=clone --set train.clone.rule=oracle
refused 2 "an explorer around a team" "'wild': its rule is scripted, which needs agents of its own" \
    $tiny --set 'eval.controllers=[{name: wild, explore: {rule: scripted}}]'

# --- an attacker ---
refused 2 "an attacker without a budget" "plant\.attack_requests: .*is 0, so an attacker with the kind 'rate'" \
    $tiny --set train.opponent=together --set plant.attack_requests=0
refused 2 "an entry that is none" "attacker\.entries: .*'d', which is no entry of the topology; .*'a'" \
    $tiny --set train.opponent=together --set 'attacker.entries=[d]'
refused 2 "a kind that a twin cannot represent" "attacker\.kinds: .*'crash', which the twin .* cannot represent" \
    $tiny --set train.opponent=together --set twin.file=none.twin
refused 2 "connections that a twin cannot represent" "attacker\.kinds: .*'loris', which the twin .* cannot represent" \
    $tiny --set train.opponent=together --set twin.file=none.twin --set 'attacker.kinds=[rate, loris]'
refused 2 "costly requests in a twin" "attacker\.kinds: .*'cost', which the twin .* cannot represent" \
    $tiny --set train.opponent=together --set twin.file=none.twin --set 'attacker.kinds=[rate, cost]'
refused 2 "costly requests without requests" "attacker\.kinds: .*'cost' but not 'rate'.* add 'rate'" \
    $tiny --set train.opponent=together --set 'attacker.kinds=[cost]'
refused 2 "a fixed attacker without a policy" "attacker\.policy: is empty, and train\.opponent is fixed" \
    $tiny --set train.opponent=fixed
refused 2 "a fixed attacker whose policy is missing" "attacker\.policy: there is no file 'nowhere'" \
    $tiny --set train.opponent=fixed --set attacker.policy=nowhere
refused 2 "a policy for one that learns" "attacker\.policy: is nowhere, which has no effect" \
    $tiny --set train.opponent=together --set attacker.policy=nowhere
refused 2 "settings of an attacker that is not there" "--set attacker\.view: .*add --set train\.opponent=together" \
    $tiny --set attacker.view=full
refused 2 "turns of an attacker that takes none" "train\.opponent_updates: has no effect unless" \
    $tiny --set train.opponent=together --set train.opponent_updates=3
refused 2 "a refit without the attacker" "train\.rounds: is 2, but a twin is refitted" \
    $tiny --set train.opponent=together --set train.rounds=2 --set train.updates=10 \
    --set 'attacker.kinds=[rate]' --set twin.file=none.twin

# Older versions had the parameters of all methods beside each other: the sentence says what to write.
older() { # NAME OLD NEW: and what it says is accepted
    run timeout "$HANGS" "$KARMA" config check $tiny --set "eval.controllers=[$2]"
    [ "$rc" = 2 ] && grep -Fq "write $3" "$WORK/err"
    result $? "older form: $1"
    holds "the new form: $1" "$KARMA" config check $tiny --set "eval.controllers=[$3]"
}
older khpa '{name: khpa tuned, kind: khpa, behavior: default, target: 0.5, show: false}' \
    '{name: khpa tuned, show: false, khpa: {behavior: default, target: 0.5}}'
older ff '{kind: ff, ff_down_s: 30}' '{ff: {down_s: 30}}'
older explore '{kind: explore, rule: khpa, down_s: 0, random: 0.2}' \
    '{explore: {rule: {khpa: {down_s: 0}}, random: 0.2}}'
older scripted '{kind: scripted, choice: ff, growth: 3}' '{scripted: {rule: {ff: {growth: 3}}}}'
older "scripted at random" '{kind: scripted, choice: uniform}' '{scripted: {}}'
older policy '{kind: policy, policies: [a, b], mode: sample}' '{policy: {policies: [a, b], mode: sample}}'
refused 2 "older form: clone.rule" "train\.clone\.rule: unknown key 'growth'; .*write ff\.growth=VALUE" \
    $tiny --set 'train.clone.rule={growth: 3}'
refused 2 "older form: init" "train\.init: .*'clone_ff', allowed is one of scratch, clone; write init: clone," $tiny --set train.init=clone_ff
refused 2 "older form: eval.gate" "eval: unknown key 'gate'; it is called 'separation' now" $tiny --set eval.gate=khpa
refused 2 "older form: eval.primary" "eval: unknown key 'primary'; it is called 'claims' now" $tiny \
    --set 'eval.primary=[{arm: khpa, baseline: nothing}]'
refused 2 "older form: better" "eval\.claims\.0: unknown key 'better'; it is called 'arm' now" $tiny \
    --set 'eval.claims=[{arm: khpa, baseline: nothing, better: khpa}]'
refused 2 "older form: than" "eval\.claims\.0: unknown key 'than'; it is called 'baseline' now" $tiny \
    --set 'eval.claims=[{arm: khpa, baseline: nothing, than: nothing}]'
refused 2 "older form: listed" "eval\.controllers\.0: unknown key 'listed'; it is called 'show' now" $tiny \
    --set 'eval.controllers=[{khpa: {}, listed: false}]'
refused 2 "older form: stretched" "eval\.interval: .*'stretched', .*write percentile_corrected" $tiny \
    --set eval.interval=stretched
exits 2 "older form: drawn allocations" "$KARMA" simulate $tiny --out "$WORK/drawn" \
    --set 'eval.controllers=[{explore: {rule: static}}]'
says err "write explore: \{draw: allocations, random: 0.3\}" "says what to write"
refused 2 "decision period and scrapes" "plant\.period_s: .*multiple of scrape_s" \
    $tiny --set plant.period_s=7
refused 2 "window and scrapes" "plant\.window_s: .*multiple of scrape_s" $tiny --set plant.window_s=7
refused 2 "the autoscaler's window and scrapes" "plant\.hpa_window_s: .*multiple of scrape_s" \
    $tiny --set plant.hpa_window_s=7
refused 2 "a target that no pod can reach" "'high'.*target 1\.3 .*limit is 1 times its request" \
    $tiny --set 'eval.controllers=[{name: high, khpa: {target: 1.3}}]'
refused 2 "an upward window without a stanza" "'slow'.*up_s is 30 s.*behavior: default" \
    $tiny --set 'eval.controllers=[{name: slow, khpa: {up_s: 30}}]'
refused 2 "a service level beyond the time-out" "plant\.latency_max_ms: .*time-out" \
    $tiny --set plant.latency_max_ms=90000

# --- files ---------------------------------------------------------------------------------------
refused 2 "no such configuration" "nowhere\.yaml: cannot be read" "$in/nowhere.yaml"

file include.yaml <<'EOF'
include: [nowhere.yaml]
EOF
refused 2 "no such include" "include\.yaml:1:11: .*nowhere\.yaml' cannot be read" "$in/include.yaml"

file a.yaml <<'EOF'
include: [b.yaml]
EOF
file b.yaml <<'EOF'
include: [a.yaml]
EOF
refused 2 "files that include each other" "b\.yaml:1:11: .*include each other.*a\.yaml" "$in/a.yaml"

file load.yaml <<'EOF'
workload:
  file: nowhere.txt
EOF
refused 2 "no such load" "load\.yaml:2:9: workload\.file: .*nowhere\.txt" "$in/load.yaml"

file words.txt <<'EOF'
1.5
2
many
4
EOF
refused 1 "a load that is not numbers" "words\.txt:3: 'many' is not a number" \
    $tiny --set workload.file="$in/words.txt"
: >"$in/empty.txt"
refused 1 "an empty load" "empty\.txt: " $tiny --set workload.file="$in/empty.txt"

# --- what does not fit together ------------------------------------------------------------------
file cycle.yaml <<'EOF'
topology:
  services:
    - {name: a, cpu_m: 500, ram_mib: 256, capacity_rps: 100, entry: true, calls: [b]}
    - {name: b, cpu_m: 400, ram_mib: 512, capacity_rps: 80, calls: [c]}
    - {name: c, cpu_m: 400, ram_mib: 512, capacity_rps: 80, calls: [b]}
EOF
refused 2 "a cycle of calls" "cycle\.yaml:[45]:[0-9]+: .*b -> c -> b" "$in/cycle.yaml"

# --- the command line ----------------------------------------------------------------------------
refused 2 "no configuration" "CONFIG is missing"
refused 2 "an unknown option" "--sead" $tiny --sead=1
refused_by 2 "an unknown command" "'trian'.*train" "$KARMA" trian $tiny

# --- directories that cannot be written: below a file, so for root, too --------------------------
refused_by 1 "a run below a file" "'$tiny': Not a directory; choose" \
    "$KARMA" train $tiny --set run.dir=$tiny/run
refused_by 2 "a run without a name" "name of a run" "$KARMA" train $tiny --set run.dir="$WORK/a b"

# --- ranks ---------------------------------------------------------------------------------------
if [ "${MPI:-1}" = 0 ]; then
    skip "ranks" "built without MPI"
    done_testing
    exit 0
fi

refused_on() { # RANKS STATUS NAME PATTERN ARGUMENT...
    ranks=$1 want=$2 name=$3 pattern=$4
    shift 4
    refused_by "$want" "$name" "$pattern" \
        "$LAUNCH" -n "$ranks" "$KARMA" train --set run.dir="$WORK/run" "$@"
}

refused_on 3 2 "no rank left to simulate" "learners: 4, .*3 ranks.*at most 2" \
    $tiny --set train.learners=4
refused_on 3 2 "more learners than tiles" "2 learners share 1 tile.*at most 1" \
    $tiny --set train.learners=2 --set train.envs=8
refused_on 3 2 "more tiles for learners than there are" \
    "train.learners_simulate: is 11, but 80 environments .* are 10 tiles of 8; set it to at most 10" \
    $tiny --set train.learners_simulate=11
refused_on 3 2 "unknown key on 3 ranks" "unknown\.yaml:3:3: .*'sede'" "$in/unknown.yaml"
refused_on 3 2 "no such load on 3 ranks" "load\.yaml:2:9: " "$in/load.yaml"
refused_on 3 1 "a run below a file on 3 ranks" "'$tiny': Not a directory" \
    $tiny --set run.dir=$tiny/run
done_testing

# What a policy of an evaluation was trained with: a missing policy is named with the command that
# makes just it, and a policy that was trained otherwise is refused.
. tests/cmd/tap.sh

tiny=$PWD/configs/experiments/tiny.yaml
cat >"$WORK/arm.yaml" <<EOF
include: $tiny
train: {updates: 1, envs: 8}
run: {dir: $WORK/arm}
EOF
cat >"$WORK/other.yaml" <<EOF
include: $WORK/arm.yaml
mappo: {lr: 0.02}
EOF
compared() { # NAME: a configuration of an evaluation; what stands in its arm comes from standard input
    {
        printf 'include: %s\neval:\n  episodes: 1\n  resamples: 100\n  controllers:\n' "$tiny"
        printf '    - nothing\n    - name: learned\n      policy:\n'
        sed 's/^/        /'
        printf 'run: {dir: %s}\n' "$WORK/$1"
    } >"$WORK/$1.yaml"
}
evaluate() { # NAME ARGUMENT...
    name=$1
    shift
    "$KARMA" eval "$WORK/$name.yaml" "$@"
}
advice() { # the command that the last one named
    sed -n 's/.*\(make it with\|moves it aside\): karma \(.*\)$/\2/p' "$WORK/err"
}
follow() {
    command=$(advice)
    eval "run \"\$KARMA\" $command"
    result "$rc" "the command that it names: $command"
}

# --- followed from nothing to a table ------------------------------------------------------------
compared two <<EOF
training: arm.yaml
settings: [train.steps=16, 'scenarios=[{name: "it''s calm"}]']
seeds: [3, 4]
policies: [$WORK/p-3, $WORK/p-4]
EOF
for seed in 3 4; do
    exits 1 "the policy of seed $seed is missing" evaluate two
    says err "p-$seed/policy/weights.bin: there is no trained policy; make it with: karma train $WORK/arm.yaml --set train.steps=16 .* --set train.seed=$seed --set run.dir=$WORK/p-$seed$" \
        "the sentence names file, settings, seed and directory"
    follow
done
exits 0 "then it is evaluated" evaluate two
exits 0 "and simulated" "$KARMA" simulate "$WORK/two.yaml" -c learned --out "$WORK/one"

# --- another policy in its place -----------------------------------------------------------------
refused() { # NAME PATTERN: by all commands that play it
    for command in "eval $WORK/two.yaml --out $WORK/no" "simulate $WORK/two.yaml -c learned --out $WORK/no" \
        "trace collect $WORK/two.yaml --out $WORK/no/store"; do
        # shellcheck disable=SC2086
        exits 1 "$1: karma ${command%% "$WORK"*}" "$KARMA" $command
        says err "$WORK/p-3: this policy was not trained as 'learned' says, with $WORK/arm.yaml. What differs, declared -> found: $2\. To train it anew there, which moves it aside: karma train .*--restart$" \
            "says what differs"
    done
    [ ! -e "$WORK/no" ]
    result $? "$1: nothing is written"
}
mv "$WORK/p-3" "$WORK/right"
"$KARMA" train "$WORK/other.yaml" --set train.steps=16 --set "scenarios=[{name: it's calm}]" \
    --set train.seed=3 --set run.dir="$WORK/p-3" >/dev/null 2>&1
refused "another training" "mappo.lr: 0.01 -> 0.02"
rm -r "$WORK/p-3"
cp -r "$WORK/p-4" "$WORK/p-3"
refused "another seed" "train.seed: 3 -> 4"
rm -r "$WORK/p-3"
evaluate two --out "$WORK/no" 2>"$WORK/err"
follow
exits 0 "the advice makes the right one" evaluate two
holds "which is the same as before" cmp "$WORK/right/policy/weights.bin" "$WORK/p-3/policy/weights.bin"

# A file that the training reads counts by its contents.
seq 1 40 >"$WORK/load.txt"
cp "$WORK/load.txt" "$WORK/moved.txt"
compared loaded <<EOF
training: arm.yaml
settings: [workload.file=$WORK/load.txt]
policies: [$WORK/loaded-1]
EOF
"$KARMA" train "$WORK/arm.yaml" --set workload.file="$WORK/moved.txt" --set run.dir="$WORK/loaded-1" \
    >/dev/null 2>&1
exits 0 "the same file elsewhere is the same training" evaluate loaded
seq 2 41 >"$WORK/load.txt"
exits 1 "another content is not" evaluate loaded
says err "workload.file: .*load.txt.* -> .*moved.txt" "and is named"

# --- what is declared, and what is not -----------------------------------------------------------
compared silent <<EOF
policies: [$WORK/nowhere]
EOF
exits 1 "a policy without a training" evaluate silent
says err "'learned' does not say how one is made; .* training: FILE, in eval.controllers.1" "is told where to say it"
compared any <<EOF
policies: [$WORK/p-4]
EOF
exits 0 "any policy is taken where nothing is declared" evaluate any
cp "$WORK/other.yaml" "$WORK/own.yaml"
exits 0 "the experiment's own policy" "$KARMA" eval "$WORK/own.yaml" --set run.dir="$WORK/p-4" \
    --out "$WORK/own" --set eval.episodes=1 --set eval.resamples=100
says err "warn: $WORK/p-4 was trained otherwise than $WORK/own.yaml says; .* mappo.lr: 0.02 -> 0.01" \
    "is measured with a warning, if it was trained otherwise"
wrong() { # NAME PATTERN ARM
    printf "$3" | compared wrong
    exits 2 "$1" evaluate wrong
    says err "wrong.yaml:[0-9]+.*eval.controllers.1.policy: $2" "is a sentence with the line"
}
wrong "seeds without a training" "settings and seeds belong to a training" 'seeds: [1]\n'
wrong "more seeds than policies" "there are 2 seeds for 1 policies" \
    'training: arm.yaml\nseeds: [1, 2]\npolicies: [a]\n'
printf 'training: nowhere.yaml\npolicies: [%s]\n' "$WORK/p-4" | compared gone
exits 2 "a training that is not there" evaluate gone
says err "nowhere.yaml: cannot be read" "is named"
exits 2 "a training of a rule" "$KARMA" eval "$WORK/any.yaml" --set "eval.controllers=[{khpa: {training: $tiny}}]"
says err "eval.controllers.0.khpa: unknown key 'training'" "is refused"

# --- a twin that is missing ----------------------------------------------------------------------
# Every message that says how a missing twin is made names the configuration that the twin is for:
# its `fit` decides what the twin is.
cat >"$WORK/collect.yaml" <<EOF
include: $tiny
eval: {episodes: 8, controllers: [{khpa: {}}, {explore: {random: 0.3}}]}
EOF
cat >"$WORK/in twin.yaml" <<EOF
include: $WORK/arm.yaml
twin: {file: "$WORK/its twin"}
fit: {members: 2, hidden: [16], epochs: 3, noise_rows: 64}
EOF
compared twinned <<EOF
training: in twin.yaml
seeds: [1]
policies: [$WORK/p-twin]
EOF
making() { # the two commands that the last message named, one line each
    sed -n 's/.* with: karma \(trace collect .*\), then karma \(twin fit .*\); COLLECT is .*/\1\n\2/p' "$WORK/err" |
        sed "s| COLLECT | $WORK/collect.yaml |"
}
exits 2 "a training in a twin that is missing" "$KARMA" train "$WORK/in twin.yaml"
says err "there is no file '$WORK/its twin'; make this twin with: karma trace collect " "is told how to make it"
trained=$(making)
for command in simulate eval; do
    exits 2 "$command in a twin that is missing" "$KARMA" $command "$WORK/in twin.yaml" --set eval.plant=twin --out "$WORK/no"
    same "$(making)" "$trained" "is told the same"
done
exits 1 "an evaluation whose training needs that twin" evaluate twinned
same "$(making)" "$trained" "is told the same"
for verb in trace twin; do
    command=$(echo "$trained" | grep "^$verb ")
    eval "run \"\$KARMA\" $command"
    result "$rc" "which works: karma $command"
done
same "$(grep -c '^[01]  *[0-9]* ' "$WORK/out") $(grep -c '^2 ' "$WORK/out")" "2 0" "with the networks that its configuration asks for"
evaluate twinned 2>"$WORK/err"
follow
exits 0 "then the training works, and the evaluation" evaluate twinned

# --- the shipped evaluations ----------------------------------------------------------------------
# CONFIG TRAINING SETTINGS SEED RUN, one line for each policy
for config in $(grep -l '^ *policies:' configs/experiments/*.yaml configs/experiments/*/*.yaml); do
    awk -v config="$config" '
        /^        training:/ { training = $2 }
        /^        settings:/ { sub(/.*\[/, ""); sub(/\].*/, ""); gsub(/, /, ","); settings = $0 }
        /^        seeds:/ { sub(/.*\[/, ""); sub(/\].*/, ""); n = split($0, seed, ", "); i = 0 }
        /^    - /{ training = settings = ""; n = i = 0 }
        /^          - results/ { print config, training, settings == "" ? "-" : settings, n ? seed[++i] : "-", $2 }' "$config"
done >"$WORK/policies"
same "$(awk '$2 == "" || $4 == "-" || $2 == "-"' "$WORK/policies")" "" "every policy has a training and a seed"
same "$(awk '{ seed = $5; sub(/.*-/, "", seed); if (seed != $4) print }' "$WORK/policies")" "" \
    "directories end with their seeds"
[ "$(wc -l <"$WORK/policies")" -gt 50 ]
result $? "there are some ($(wc -l <"$WORK/policies"))"
sort -u -k 2,3 "$WORK/policies" | while read -r config training settings _; do
    [ "$settings" != - ] || settings=
    sets=$(echo "$settings" | sed 's/,/ --set /g')
    # shellcheck disable=SC2086
    "$KARMA" config check "${config%/*}/$training" ${settings:+--set $sets} >"$WORK/o" 2>&1 || cat "$WORK/o"
done >"$WORK/out"
same "$(cat "$WORK/out")" "" "each training is a right configuration"
cp -r configs "$WORK/configs"
for config in frontier twin_vs_sim; do
    exits 1 "$config on a fresh clone" env -C "$WORK" "$KARMA" eval configs/experiments/$config.yaml
    training=$(awk -v c="configs/experiments/$config.yaml" '$1 == c { print $2; exit }' "$WORK/policies")
    says err "make it with: karma train configs/experiments/$training " "advises the training of the arm"
done
run make -n results/runs/frontier/clone-1/policy/weights.bin
says out "karma train configs/experiments/frontier_clone.yaml.*|--set train.seed=1 --set run.dir=results/runs/frontier/clone-1 " \
    "make frontier trains the same"
done_testing

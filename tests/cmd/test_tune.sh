# karma tune: the same log on any number of ranks and after a kill, best values that do what the log
# says, successive halving, trainings; and a sentence with file and line for a spec that is wrong,
# with nothing written.
# TIMEOUT: 600
. tests/cmd/tap.sh
export OPENBLAS_NUM_THREADS=1

tiny=$PWD/configs/experiments/tiny.yaml
spec=$WORK/spec.yaml
cat >"$spec" <<EOF2
include: [$tiny]
eval:
  split: dev
  episodes: 9
  resamples: 200
  controllers:
    - {name: tuned, ff: {down_s: 0}}
    - {name: few, static: {replicas: [2, 3, 2, 2]}, show: false}
    - {name: many, static: {replicas: [8, 10, 6, 6]}, show: false}
    - nothing
tune:
  controller: tuned
  trials: 9
  keys:
    - {key: utilisation, from: 0.4, to: 0.95}
    - {key: growth, from: 0.5, to: 8, log: true}
    - {key: down_s, choices: [0, 30, 60]}
EOF2

ranks() { # N ARGUMENT...
    n=$1
    shift
    if [ "${MPI:-1}" = 0 ]; then
        "$KARMA" "$@"
    else
        timeout "$HANGS" "$LAUNCH" -n "$n" "$KARMA" "$@"
    fi
}
lines() { wc -l <"$1" | tr -d ' '; }
same_files() { # DIR DIR NAME: all that a tuning leaves but its times
    for file in trials.csv best.yaml summary.txt summary.md figures/trials.csv figures/trials.gp \
        tune.yaml rung-1/eval.csv; do
        cmp -s "$1/$file" "$2/$file" || echo "$file"
    done >"$WORK/differ"
    same "$(cat "$WORK/differ")" "" "$3"
}
column() { # FILE NAME: of every row but the first
    awk -F, -v name="$2" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) at = i; next } { print $at }' "$1"
}

# ---- a tuning ---------------------------------------------------------------------------------
exits 0 "--dry-run" "$KARMA" tune "$spec" --out "$WORK/never" --dry-run
says out "^rung 1: 9 trials, 9 episodes each in each scenario" "says how much it would play"
says out "^1 \(configured\) +0.7 +2 +0$" "shows the configured values"
same "$(grep -c '^[0-9]' "$WORK/out")" 9 "and all trials"
holds "it writes nothing" test ! -e "$WORK/never"
exits 0 "--status of nothing" "$KARMA" tune "$spec" --out "$WORK/never" --status
says out "no trial is done" "says so"
holds "and writes nothing" test ! -e "$WORK/never"

exits 0 "a tuning" "$KARMA" tune "$spec" --out "$WORK/one"
cp "$WORK/out" "$WORK/table"
same "$(lines "$WORK/one/trials.csv")" 10 "has a line for each trial"
says out "^1 \(configured\)" "shows the configured one"
holds "what it prints is summary.txt" cmp "$WORK/table" "$WORK/one/summary.txt"
exits 0 "--status" "$KARMA" tune "$spec" --out "$WORK/one" --status
says out "^rung 1: 9 of 9 trials are done" "counts them"
says out "the tuning is done" "and says that it is done"
exits 0 "the same command again" "$KARMA" tune "$spec" --out "$WORK/one"
cp "$WORK/out" "$WORK/table_again"
holds "prints the same" cmp "$WORK/table_again" "$WORK/table"
exits 0 "on two ranks" ranks 2 tune "$spec" --out "$WORK/two"
exits 0 "on three ranks" ranks 3 tune "$spec" --out "$WORK/three"
same_files "$WORK/one" "$WORK/two" "two ranks leave the same bytes"
same_files "$WORK/one" "$WORK/three" "three ranks leave the same bytes"
same "$(column "$WORK/one/trials.csv" trial | tr '\n' ' ')" "1 2 3 4 5 6 7 8 9 " "trials in their order"

# The best values, played by karma eval: what the log says of them.
best=$(sed -n 's/^# Trial \([0-9]*\) of.*/\1/p' "$WORK/one/best.yaml")
printf 'include: [%s, %s]\n' "$spec" "$WORK/one/best.yaml" >"$WORK/with_best.yaml"
exits 0 "best.yaml can be included" "$KARMA" eval "$WORK/with_best.yaml" --out "$WORK/played"
awk -F, -v best="$best" '
    FNR == 1 { for (i = 1; i <= NF; i++) at[FILENAME, $i] = i; next }
    FILENAME ~ /trials/ && $1 == best { logged = $at[FILENAME, "slo_attainment"] }
    FILENAME ~ /eval/ && $1 == "tuned" { sum += $at[FILENAME, "slo_attainment"]; n++ }
    END { d = sum / n - logged; exit !(n == 18 && d < 1e-7 && d > -1e-7) }' \
    "$WORK/one/trials.csv" "$WORK/played/eval.csv"
result $? "and attain what the log says"
awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
    n++ == 0 || $at["objective"] > most { most = $at["objective"]; trial = $1 }
    END { print trial }' "$WORK/one/trials.csv" >"$WORK/most"
same "$best" "$(cat "$WORK/most")" "the best has the highest objective"

# ---- interrupted ------------------------------------------------------------------------------
more="--set eval.episodes=200 --set tune.trials=6"
# shellcheck disable=SC2086
exits 0 "a longer one, undisturbed" ranks 2 tune "$spec" $more --out "$WORK/whole"
interrupt() { # SIGNAL: while it plays
    # shellcheck disable=SC2086
    "$KARMA" tune "$spec" $more --out "$WORK/broken" >"$WORK/first.out" 2>"$WORK/first.err" </dev/null &
    job=$!
    wait_until grep -q '^trial [1-6],' "$WORK/broken/rung-1/eval.csv" 2>/dev/null
    kill -s "$1" $job
    wait $job
    rc=$?
}
interrupt KILL
same $rc 137 "killed in the middle"
holds "some episodes are there" test -s "$WORK/broken/rung-1/eval.csv"
holds "and no result" test ! -e "$WORK/broken/best.yaml"
rm -rf "$WORK/stopped"
cp -r "$WORK/broken" "$WORK/stopped"
# shellcheck disable=SC2086
exits 0 "it goes on, on three ranks" ranks 3 tune "$spec" $more --out "$WORK/broken"
says err "of [0-9]+ episodes were measured before" "from the episodes that it has"
same_files "$WORK/whole" "$WORK/broken" "to the same bytes"
rm -rf "$WORK/broken"
interrupt USR1
same $rc 5 "SIGUSR1 stops it in order"
holds "with a sentence" grep -q 'stopped on request after .* episodes; to go on: ' "$WORK/first.err"
# shellcheck disable=SC2086
exits 0 "and it goes on" "$KARMA" tune "$spec" $more --out "$WORK/broken"
same_files "$WORK/whole" "$WORK/broken" "to the same bytes"

# ---- another spec, and a larger one -----------------------------------------------------------
cp -r "$WORK/one" "$WORK/grown"
exits 0 "more trials of a random search" "$KARMA" tune "$spec" --set tune.trials=12 --out "$WORK/grown"
head -n 10 "$WORK/grown/trials.csv" >"$WORK/head"
holds "leave the first ones as they are" cmp "$WORK/head" "$WORK/one/trials.csv"
same "$(lines "$WORK/grown/trials.csv")" 13 "and add the others"
cksum "$WORK/one"/* 2>/dev/null >"$WORK/before"
exits 2 "another range in the same directory" "$KARMA" tune "$spec" --set tune.keys.0.to=0.9 --out "$WORK/one"
says err "holds another tuning.*--out DIR.*--restart.*tune.keys.0.to: 0.95 -> 0.9" "names what differs and the way out"
exits 2 "fewer trials" "$KARMA" tune "$spec" --set tune.trials=5 --out "$WORK/one"
says err "tune.trials: 9 -> 5" "are another tuning"
exits 2 "other episodes" "$KARMA" tune "$spec" --set eval.seed=2 --out "$WORK/one"
exits 2 "another cluster" "$KARMA" tune "$spec" --set cluster.start_s=21 --out "$WORK/one"
exits 2 "--status with another spec" "$KARMA" tune "$spec" --set tune.seed=3 --out "$WORK/one" --status
cksum "$WORK/one"/* 2>/dev/null >"$WORK/after"
holds "nothing was changed" cmp "$WORK/before" "$WORK/after"
sed '2s/,[^,]*$/,0000000000000000/' "$WORK/one/rung-1/eval.csv" >"$WORK/rows"
cp -r "$WORK/one" "$WORK/foreign"
cp "$WORK/rows" "$WORK/foreign/rung-1/eval.csv"
exits 1 "rows of another program" "$KARMA" tune "$spec" --out "$WORK/foreign"
holds "leave the log as it was" cmp "$WORK/foreign/trials.csv" "$WORK/one/trials.csv"
exits 0 "--restart" "$KARMA" tune "$spec" --set tune.trials=2 --out "$WORK/one" --restart
holds "moves the old one aside" test -e "$WORK/one.1/best.yaml"
exits 2 "the directory of an evaluation" "$KARMA" tune "$spec" --out "$WORK/played"
says err "holds a training or an evaluation" "is refused"

# ---- successive halving -----------------------------------------------------------------------
halving="--set tune.search=halving --set tune.eta=3 --set tune.rungs=2"
# shellcheck disable=SC2086
exits 0 "halving" ranks 3 tune "$spec" $halving --out "$WORK/halved"
same "$(column "$WORK/halved/trials.csv" rung | sort | uniq -c | tr -s ' \n' ' ')" " 9 1 3 2 " \
    "nine trials, then three"
same "$(column "$WORK/halved/trials.csv" episodes | sort | uniq -c | tr -s ' \n' ' ')" " 9 3 3 9 " \
    "with three episodes, then nine"
awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
    $2 == 1 { print $at["objective"], $1 }' "$WORK/halved/trials.csv" |
    sort -k1,1gr -k2,2n | head -n 3 | awk '{ print $2 }' | sort -n | tr '\n' ' ' >"$WORK/top"
same "$(awk -F, '$2 == 2 { print $1 }' "$WORK/halved/trials.csv" | tr '\n' ' ')" "$(cat "$WORK/top")" \
    "the best three go on"
# A trial that got all episodes has the numbers that it has without halving.
"$KARMA" tune "$spec" --out "$WORK/plain" >"$WORK/out" 2>"$WORK/err"
awk -F, 'FNR == NR { if ($2 == 2) rung[$1] = 1; next } FNR > 1 && $1 in rung' \
    "$WORK/halved/trials.csv" "$WORK/plain/trials.csv" | cut -d, -f 4- >"$WORK/a"
awk -F, '$2 == 2' "$WORK/halved/trials.csv" | cut -d, -f 4- >"$WORK/b"
holds "and have the numbers of a plain search" cmp "$WORK/a" "$WORK/b"
same "$(column "$WORK/halved/rung-2/eval.csv" episode | sort -n | uniq | tr '\n' ' ')" "3 4 5 6 7 8 " \
    "the second rung plays new episodes only"
# shellcheck disable=SC2086
exits 0 "halving on one rank" "$KARMA" tune "$spec" $halving --out "$WORK/halved1"
same_files "$WORK/halved" "$WORK/halved1" "leaves the same bytes"
exits 0 "at a price" "$KARMA" tune "$spec" --set tune.objective=priced --set tune.price=0.02 \
    --set tune.trials=3 --out "$WORK/priced"
awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
    { d = $at["objective"] - ($at["slo_attainment"] - 0.02 * $at["vcpu"]); if (d > 1e-9 || d < -1e-9) bad = 1 }
    END { exit bad }' "$WORK/priced/trials.csv"
result $? "the objective is the metric minus the price of the CPU"

# ---- figures ----------------------------------------------------------------------------------
if command -v gnuplot >/dev/null 2>&1; then
    exits 0 "the figure" "$KARMA" figure "$WORK/halved"
    fit_to_print "$WORK/halved/figures/trials.svg" "the figure of trials"
else
    skip "the figure" "gnuplot is missing"
fi

# ---- trainings --------------------------------------------------------------------------------
trained=$WORK/trained.yaml
cat >"$trained" <<EOF2
include: [$spec]
eval: {episodes: 2, controllers: [policy, {name: few, static: {replicas: [2, 3, 2, 2]}}, nothing]}
train: {updates: 4, envs: 16, checkpoint_every: 1}
tune:
  what: training
  controller: policy
  trials: 4
  search: halving
  eta: 2
  rungs: 2
  train_seeds: [1, 2]
  keys:
    - {key: mappo.lr, from: 0.0001, to: 0.1, log: true}
    - {key: mappo.epochs, from: 1, to: 3}
    - {key: team.actor_hidden, choices: ["[8]", "[16, 16]"]}
EOF2
exits 0 "a tuning of a training" "$KARMA" tune "$trained" --out "$WORK/t1"
same "$(awk -F, 'NR > 1 { print $2, $3 }' "$WORK/t1/trials.csv" | sort | uniq -c | tr -s ' \n' ' ')" \
    " 4 1 2 2 2 4 " "four trials of two updates, two of four"
exits 0 "on three ranks" ranks 3 tune "$trained" --out "$WORK/t3"
same_files "$WORK/t1" "$WORK/t3" "leaves the same bytes"
holds "a trial is a run like any other" grep -q '^done' "$WORK/t1/rung-1/trial-2-seed-1/status"
printf 'include: [%s, %s]\n' "$trained" "$WORK/t1/best.yaml" >"$WORK/with_best.yaml"
exits 0 "its best.yaml can be included" "$KARMA" config check "$WORK/with_best.yaml"
best=$(sed -n 's/^# Trial \([0-9]*\) of.*/\1/p' "$WORK/t1/best.yaml")
"$KARMA" train "$WORK/with_best.yaml" --set run.dir="$WORK/again" >"$WORK/out" 2>"$WORK/err"
cmp -s "$WORK/again/metrics.csv" "$WORK/t1/rung-2/trial-$best-seed-1/metrics.csv"
result $? "karma train with it trains the same weights"
"$KARMA" tune "$trained" --out "$WORK/t0" >"$WORK/first.out" 2>"$WORK/first.err" </dev/null &
job=$!
wait_until grep -q '^running' "$WORK/t0/rung-1/trial-3-seed-1/status" 2>/dev/null
kill -KILL $job
wait $job
same $? 137 "killed in a training"
exits 0 "it goes on" ranks 2 tune "$trained" --out "$WORK/t0"
same_files "$WORK/t1" "$WORK/t0" "to the same bytes"
"$KARMA" tune "$trained" --out "$WORK/t9" >"$WORK/first.out" 2>"$WORK/first.err" </dev/null &
job=$!
wait_until grep -q '^running' "$WORK/t9/rung-1/trial-2-seed-2/status" 2>/dev/null
kill -USR1 $job
wait $job
same $? 5 "SIGUSR1 in a training stops in order"
holds "with a sentence" grep -q 'trainings under way have checkpoints; to go on: ' "$WORK/first.err"
exits 0 "and it goes on" "$KARMA" tune "$trained" --out "$WORK/t9"
same_files "$WORK/t1" "$WORK/t9" "to the same bytes, too"

# ---- what is refused --------------------------------------------------------------------------
refused() { # NAME PATTERN OVERRIDE: YAML lines behind the spec; with file and line, nothing written
    printf 'include: [%s]\n%s\n' "$spec" "$3" >"$WORK/bad.yaml"
    exits 2 "$1" "$KARMA" tune "$WORK/bad.yaml" --out "$WORK/refused"
    says err "error: $2" "$1: the sentence"
    holds "$1: nothing is written" test ! -e "$WORK/refused"
}
keys() { printf 'tune: {keys: [%s]}' "$1"; }
at="$WORK/bad.yaml:2:[0-9]+"
refused "an unknown key" "$at: tune.keys.0.key: 'utilization' is no parameter of the controller 'tuned', whose method is ff: it is unknown; did you mean 'utilisation'\?.*utilisation, wait_share" \
    "$(keys '{key: utilization, from: 0.4, to: 0.9}')"
refused "a key of another method" "$at: tune.keys.0.key: 'target' is no parameter of .* it is a parameter of khpa" \
    "$(keys '{key: target, from: 0.4, to: 0.9}')"
refused "a key of the configuration" "$at: tune.keys.0.key: 'plant.cost_weight' is no parameter .* which all trials share" \
    "$(keys '{key: plant.cost_weight, from: 0.4, to: 0.9}')"
refused "an empty range" "$at: tune.keys.0: 'growth' has an empty range, from 3 to 2" \
    "$(keys '{key: growth, from: 3, to: 2}')"
refused "neither range nor choices" "$at: tune.keys.0: 'growth' has nothing to be drawn from; add" \
    "$(keys '{key: growth}')"
refused "both" "$at: tune.keys.0: 'growth' has choices and a range" \
    "$(keys '{key: growth, from: 1, to: 2, choices: [1]}')"
refused "a logarithm of zero" "$at: tune.keys.0: 'growth' is drawn in the logarithm from 0" \
    "$(keys '{key: growth, to: 2, log: true}')"
refused "a range beyond what the key allows" "$at: tune.keys.0.to: ff.growth: found '200', allowed is a number from 0 to 20" \
    "$(keys '{key: growth, from: 1, to: 200}')"
refused "a choice that is none" "$at: tune.keys.0.choices.1: ff.capacity: found .*allowed is one of told, measured" \
    "$(keys '{key: capacity, choices: [told, heard]}')"
refused "a step beyond the range" "$at: tune.keys.0: 'growth' has a step of 3" "$(keys '{key: growth, from: 1, to: 2, step: 3}')"
refused "values that the method refuses" ".*bad.yaml:3:[0-9]+: tune.keys: trial 2 \(target=0\.[0-9]*\) cannot be played, as said above; .*or give a step" \
    "eval: {controllers: [{name: tuned, khpa: {}}, {name: few, static: {replicas: [2, 3, 2, 2]}}]}
$(keys '{key: target, from: 0.3, to: 0.8}')"
refused "a range of words" "$at: tune.keys.0: 'capacity' is no number" \
    "$(keys '{key: capacity, from: 1, to: 2}')"
refused "a key twice" "$at: tune.keys.1: 'growth' is there twice" \
    "$(keys '{key: growth, from: 1, to: 2}, {key: growth, from: 1, to: 2}')"
refused "no keys" "$at: tune.keys: there is nothing to try" 'tune: {keys: []}'
refused "TEST episodes" "$at: eval.split: is test, but settings are chosen on DEV episodes only" 'eval: {split: test}'
refused "an unknown controller" "$at: tune.controller: there is no controller 'tune'.*did you mean 'tuned'" 'tune: {controller: tune}'
refused "a training of a rule" "$at: tune.controller: 'tuned' plays no policy|$spec:[0-9:]*: tune.controller: 'tuned' plays no policy" 'tune: {what: training}'
refused "an unknown reference" "$at: tune.reference: 'nothing' is no method whose arms form a frontier; there are static, khpa" 'tune: {reference: nothing}'
refused "a reference without arms" "$at: tune.reference: there is no other arm of 'ff'" 'tune: {reference: ff}'
refused "a rung too many" "$at: tune.rungs: is 4: of 9 episodes" 'tune: {search: halving, rungs: 4}'
refused "a key of another search" "$at: tune.eta: has no effect unless tune.search is halving" 'tune: {eta: 5}'
refused "a price of another objective" "$at: tune.price: has no effect unless tune.objective is priced" 'tune: {price: 5}'
refused "an unknown metric" "$at: tune.metric: there is no metric 'sucess'; did you mean 'success'" 'tune: {objective: priced, metric: sucess}'
exits 2 "a configuration without a tuning" "$KARMA" tune "$tiny" --out "$WORK/refused"
says err "tiny.yaml: tune.controller is missing" "says what is missing"
exits 2 "--dry-run with --restart" "$KARMA" tune "$spec" --dry-run --restart
spec=$trained
refused "a seed as a setting" "$at: tune.keys.0.key: 'train.seed' is no setting but chance" "$(keys '{key: train.seed, from: 1, to: 9}')"
refused "the budget of the rungs" "$at: tune.keys.0.key: 'train.updates' is what the rungs" "$(keys '{key: train.updates, from: 1, to: 9}')"
refused "a key that trains nothing" "$at: tune.keys.0.key: 'eval.episodes' does not change what a training learns" "$(keys '{key: eval.episodes, from: 1, to: 9}')"
refused "an unknown key of a training" "$at: tune.keys.0.key: there is no value 'mappo.lrr'" "$(keys '{key: mappo.lrr, from: 1, to: 9}')"
refused "a fraction of a whole number" "$at: tune.keys.0: 'mappo.epochs' is a whole number" "$(keys '{key: mappo.epochs, from: 1.5, to: 9}')"
refused "a seed twice" "$at: tune.train_seeds: has 1 twice" 'tune: {train_seeds: [1, 1]}'
refused "a twin that is missing" "$at: twin.file: there is no file" "twin: {file: $WORK/absent}"
refused "a contradiction of two keys" "$at: tune.keys: trial 2 \(train.group=3\) cannot be played, as said above" "$(keys '{key: train.group, choices: [3]}')"
holds "nothing was left" test ! -e "$WORK/refused"
done_testing

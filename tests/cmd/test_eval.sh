# karma eval and karma figure: the same bytes on any number of ranks, and what goes wrong in words.
. tests/cmd/tap.sh

config=configs/experiments/warm_start_cluster.yaml
short="--set eval.split=dev --set eval.seed=1 --set game.horizon=10 --set eval.episodes=3 --set eval.resamples=200"
arms="eval.controllers=[nothing, khpa, {name: khpa 50, khpa: {target: 0.5}, show: false}, ff, policy, {name: sampled, policy: {mode: sample}}]"
scenarios="scenarios=[{name: quiet}, {name: flood, events: [{kind: ddos, quiet_s: {lo: 10, hi: 60}, ramp_s: {lo: 20, hi: 30}, duration_s: {lo: 60, hi: 80}, magnitude: {lo: 2.5, hi: 3.5}}]}]"
run_dir="run.dir=$WORK/run"

evaluate() { # RANKS DIR
    # shellcheck disable=SC2086
    "$LAUNCH" -n "$1" "$KARMA" eval $config $short --set "$arms" --set "$scenarios" \
        --set "$run_dir" --out "$2"
}

exits 0 "--help" "$KARMA" eval --help
says out "eval.csv" "the help names the files"
# shellcheck disable=SC2086
exits 1 "a policy that is missing" "$KARMA" eval $config $short --set "$run_dir"
says err "karma train $config --set run.dir=$WORK/run" "the sentence names the command that makes it"

# shellcheck disable=SC2086
holds "a short training" "$KARMA" train $config --set game.horizon=10 --set "$run_dir" --set train.updates=1 \
    --set train.init=scratch --set train.envs=8 --set train.steps=10
exits 0 "an evaluation on one rank" evaluate 1 "$WORK/one"
cp "$WORK/out" "$WORK/one.out"
says out "^  dev episodes, seed 1: 3 of 150 s in each scenario" "the head names domain and seed"
says out "policy: the most probable choice \(arg-max\); trained from scratch.* training seed 1$" \
    "the head says how the policy was made"
says out "sampled: sampled choices" "and how it plays"
says out "^flood +khpa +[0-9.]+ \[[0-9.]+, [0-9.]+\]" "a row has intervals"
says out "^\(all\) +policy - nothing +[-+][0-9.]+ \[[-+]" "differences have signs and intervals"
says out "^quiet +policy +khpa, 2 arms" "an arm that is not listed is a point of a frontier"
! grep -q "^flood  *khpa 50" "$WORK/one.out"
result $? "and no row of a table"
says err "karma figure $WORK/one" "the last words name the command that draws"
same "$(wc -l <"$WORK/one/eval.csv")" 37 "a row for each of 6 controllers, 2 scenarios, 3 episodes"
same "$(sort -u -t, -k1,4 "$WORK/one/eval.csv" | wc -l)" 13 "rows are told apart by their keys"
for file in summary.txt summary.md figures/timeline.gp figures/frontier-all.csv; do
    [ -s "$WORK/one/$file" ]
    result $? "$file is there"
done

if [ "${MPI:-1}" = 0 ]; then
    skip "the same on three ranks" "built without MPI"
else
    exits 0 "an evaluation on three ranks" evaluate 3 "$WORK/three"
    same "$(cat "$WORK/out")" "$(cat "$WORK/one.out")" "the tables are the same bytes"
    diff -r -x decision_cpu.csv "$WORK/one" "$WORK/three" >"$WORK/out" 2>&1
    result $? "so are all files"
fi

# An episode that is played alone is the one of the table.
# shellcheck disable=SC2086
exits 0 "karma simulate of one episode" "$KARMA" simulate $config --set eval.split=dev \
    --set eval.seed=1 --set game.horizon=10 --set "$arms" \
    --set "$scenarios" --set "$run_dir" -c policy -S flood -e 2 -o "$WORK/alone"
want=$(awk -F, '$1 == "policy" && $4 == "flood" && $7 == 2 { printf "%.6g", $8 }' \
    "$WORK/one/eval.csv")
same "$(awk '$1 == "slo_attainment" { print $2 }' "$WORK/out")" "$want" "it has the numbers of eval.csv"

# shellcheck disable=SC2086
# --- episodes without a request, and a warm-up that is not counted ---------------------------------
# The DEV part of a recording, its fourth fifth, is silent, but too short for a gap.
awk 'BEGIN { for (i = 0; i < 2500; i++) print (i >= 1500 && i < 2000) ? 0 : 50 }' >"$WORK/zero.txt"
two="eval.controllers=[nothing, {name: khpa default, khpa: {}}]"
# shellcheck disable=SC2086
exits 0 "a load of nothing" "$KARMA" eval $config $short --set "$two" --set "$scenarios" \
    --set workload.file="$WORK/zero.txt" --set "scenarios=[{name: quiet}]" --out "$WORK/silent"
says out "^quiet +nothing +- +- +- +- +-" "it has no share, and nothing else"
says out "^quiet: 3 of 3 episodes received no request; they are not scored" "which is said"
same "$(grep -c '^nothing,,,quiet,dev,1,[0-9]*,nan,nan,nan' "$WORK/silent/eval.csv")" 3 \
    "eval.csv marks each of them"
# shellcheck disable=SC2086
exits 0 "a warm-up" "$KARMA" eval $config $short --set "$two" --set "$scenarios" \
    --set eval.warmup_s=60 --out "$WORK/warm"
says out "^  counted from 60 s on \(eval.warmup_s\)" "the head says from when on is counted"
# shellcheck disable=SC2086
exits 0 "none" "$KARMA" eval $config $short --set "$two" --set "$scenarios" --out "$WORK/cold"
says out "^  counted from the start: in its first 300 s khpa removes none of the" "and what that means"
same "$(grep -c ',nan,[0-9a-f]*$' "$WORK/warm/eval.csv")" 12 "rows have no bound"
# shellcheck disable=SC2086
exits 1 "rows of another warm-up" "$KARMA" eval $config $short --set "$two" --set "$scenarios" \
    --set eval.warmup_s=75 --out "$WORK/warm"
# shellcheck disable=SC2086
exits 2 "a warm-up as long as the episode" "$KARMA" eval $config $short --set "$two" \
    --set "$scenarios" --set eval.warmup_s=150 --out "$WORK/x"
says err "eval.warmup_s is 150 s; expected a multiple" "the sentence says what fits"

exits 2 "evaluation on the training domain" "$KARMA" eval $config $short --set eval.split=train
# shellcheck disable=SC2086
exits 0 "claims" "$KARMA" eval $config $short --set "$arms" --set "$scenarios" --set "$run_dir" \
    --set "eval.claims=[{arm: ff, baseline: nothing}, {arm: policy, baseline: khpa}]" --out "$WORK/claims"
says out "^ff > nothing +(supported|equivalent|refuted|undecided) +[-+]0\.[0-9]+ \[.* 3$" \
    "each has a verdict, an interval, p-values and the number of units"
says out "^\(all\) +ff +(vCPU h|flips|vCPU h, flips|-) +[0-9.]+ \[" "fronts are marked"
same "$(awk '{ if (length($0) > n) n = length($0) } END { print (n <= 155) }' "$WORK/claims/summary.txt")" 1 \
    "tables fit a screen"
# shellcheck disable=SC2086
exits 2 "a claim about nobody" "$KARMA" eval $config $short --out "$WORK/x" --set "$run_dir" \
    --set "eval.claims=[{arm: nothing, baseline: khpa defaul}]"
says err "eval.claims.0.baseline: there is no controller 'khpa defaul'; did you mean 'khpa default'" \
    "the sentence has the nearest name"
# shellcheck disable=SC2086
exits 2 "a claim about one controller" "$KARMA" eval $config $short --out "$WORK/x" --set "$run_dir" \
    --set "eval.claims=[{arm: ff, baseline: ff}]"
# shellcheck disable=SC2086
exits 2 "two controllers of one name" "$KARMA" eval $config $short --out "$WORK/twice" \
    --set "eval.controllers=[khpa, khpa]"
says err "both called 'khpa'" "the sentence names them"
: >"$WORK/file"
# shellcheck disable=SC2086
exits 1 "a directory that cannot be made" "$KARMA" eval $config $short --out "$WORK/file/dir" \
    --set "eval.controllers=[nothing]"
says err "$WORK/file" "the sentence names it"
cp "$WORK/run/policy/weights.bin" "$WORK/weights.bin"
printf 'x' | dd of="$WORK/run/policy/weights.bin" bs=1 seek=1000 conv=notrunc 2>/dev/null
exits 1 "a damaged policy" evaluate 1 "$WORK/damaged"
says err "weights.bin" "the sentence names the file"
cp "$WORK/weights.bin" "$WORK/run/policy/weights.bin"
# shellcheck disable=SC2086
exits 0 "a policy plays its own game, whatever the experiment says" "$KARMA" eval $config $short \
    --set "$run_dir" --set "$arms" --set "$scenarios" --set "game.agents=[one, two]" \
    --set game.action.head=delta --set "team.actor_hidden=[8]" --out "$WORK/other"
sed 's/,[0-9a-f]*$//' "$WORK/one/eval.csv" >"$WORK/one.rows" # without the digest of the setting
sed 's/,[0-9a-f]*$//' "$WORK/other/eval.csv" >"$WORK/other.rows"
holds "and does the same" cmp "$WORK/one.rows" "$WORK/other.rows"
printf 'include: [%s, %s]\n' "$PWD/$config" "$PWD/configs/topologies/mesh.yaml" >"$WORK/mesh.yaml"
# shellcheck disable=SC2086
exits 1 "a policy of another cluster" "$KARMA" eval "$WORK/mesh.yaml" $short --set "$run_dir" \
    --set "eval.controllers=[policy]" --out "$WORK/mesh"
says err "the policy was trained for [0-9]+ services: .*this topology has 12 services" "the sentence names what differs"

mkdir "$WORK/empty"
exits 2 "nothing to draw" "$KARMA" figure "$WORK/empty"
exits 1 "gnuplot is missing" env PATH="$WORK/empty" "$KARMA" figure "$WORK/one"
says err "gnuplot-nox" "the sentence names the package"
[ -e "$WORK/silent/figures/timeline.gp" ] && [ ! -e "$WORK/silent/figures/frontier-quiet.gp" ]
result $? "what was not scored has no figure of its frontiers"
if command -v gnuplot >/dev/null; then
    exits 0 "figures of an evaluation without a request" "$KARMA" figure "$WORK/silent"
    holds "a training of one decision" "$KARMA" train $config --set workload.mean_rps=0.01 \
        --set train.envs=1 --set train.steps=1 --set train.updates=1 --set train.init=scratch \
        --set mappo.minibatches=1 --set run.dir="$WORK/begun"
    exits 2 "in which no episode has ended" "$KARMA" figure "$WORK/begun"
    says err "no episode with a request has ended yet" "has no learning curve"
    exits 0 "figures of an evaluation" "$KARMA" figure "$WORK/one"
    says out "figures/timeline.png" "their names are printed"
    for figure in timeline frontier-flood frontier-all; do
        grep -q '</svg>' "$WORK/one/figures/$figure.svg" && [ -s "$WORK/one/figures/$figure.png" ]
        result $? "$figure is drawn twice"
        fit_to_print "$WORK/one/figures/$figure.svg" "$figure"
    done
    exits 0 "learning curve of a run" "$KARMA" figure "$WORK/run"
    fit_to_print "$WORK/run/figures/learning.svg" "learning"
else
    skip "figures" "gnuplot is not installed"
fi
done_testing

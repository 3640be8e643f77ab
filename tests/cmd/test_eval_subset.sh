# A row of a table is the same to the byte whoever stands beside it: other controllers, other
# scenarios, another order.
. tests/cmd/tap.sh
export OPENBLAS_NUM_THREADS=1

config=configs/experiments/warm_start_cluster.yaml
quiet="{name: quiet}"
flood="{name: flood, events: [{kind: ddos, quiet_s: {lo: 10, hi: 60}, ramp_s: {lo: 20, hi: 30}, duration_s: {lo: 60, hi: 80}, magnitude: {lo: 2.5, hi: 3.5}}]}"
khpa_50="{name: khpa 50, khpa: {target: 0.5}, show: false}"
sampled="{name: sampled, policy: {mode: sample}}"
claims="eval.claims=[{arm: ff, baseline: khpa}, {arm: policy, baseline: nothing}]"
turned="eval.claims=[{arm: policy, baseline: nothing}, {arm: ff, baseline: khpa}]"

# shellcheck disable=SC2086
holds "a short training" "$KARMA" train $config --set game.horizon=10 --set "run.dir=$WORK/run" \
    --set train.updates=1 --set train.init=scratch --set train.envs=8 --set train.steps=10

evaluate() { # DIR CONTROLLERS SCENARIOS ARGUMENT...
    dir=$1 controllers=$2 scenarios=$3
    shift 3
    "$KARMA" eval $config --out "$dir" --set "run.dir=$WORK/run" --set "eval.controllers=[$controllers]" \
        --set "scenarios=[$scenarios]" --set game.horizon=10 --set eval.split=dev --set eval.seed=1 \
        --set eval.episodes=6 --set eval.resamples=200 "$@"
}
# The rows of all tables, each behind the title of its table. Fronts are left out: whether a
# controller is on one is a statement about all of them.
rows_of() { # DIR
    awk '/^## / { title = $0 } /^\| [^-]/ && title !~ /Front/ { gsub(/ +/, " "); print title ": " $0 }' \
        "$1/summary.md" | sort
}
among() { # PART LEAST NAME: all rows of the part are rows of the whole, and they are that many
    rows_of "$WORK/$1" >"$WORK/$1.rows"
    comm -13 "$WORK/whole.rows" "$WORK/$1.rows" >"$WORK/out"
    n=$(grep -c '\[' "$WORK/$1.rows")
    [ ! -s "$WORK/out" ] && [ "$n" -ge "$2" ]
    result $? "$3 ($n rows with intervals, expected at least $2)"
}

exits 0 "six controllers, two scenarios" evaluate "$WORK/whole" \
    "nothing, khpa, $khpa_50, ff, policy, $sampled" "$quiet, $flood" --set "$claims"
rows_of "$WORK/whole" >"$WORK/whole.rows"
exits 0 "one fewer, in another order" evaluate "$WORK/fewer" \
    "policy, ff, $khpa_50, khpa, nothing" "$quiet, $flood" --set "$turned"
among fewer 60 "every row is one of those"
exits 0 "one of the scenarios" evaluate "$WORK/flood" \
    "khpa, $khpa_50, $sampled, policy" "$flood"
among flood 10 "every row is one of those"
done_testing

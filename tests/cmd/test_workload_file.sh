# Real input: a recorded load drives a training and an evaluation. The recordings are not part of
# this project; KARMA_DATA names the directory that holds them.
. tests/cmd/tap.sh

load=${KARMA_DATA:-../shared/data}/autothrottle/diurnal.txt
quick=configs/experiments/warm_start_cluster.yaml
short="--set train.updates=1 --set train.envs=16 --set train.steps=10 --set train.clone.samples=160
    --set train.clone.passes=2 --set train.clone.value_updates=1"
run_dir=$WORK/run

if [ ! -r "$load" ]; then
    skip "training and evaluation on a recorded load" "there is no $load"
    done_testing
    exit 0
fi

on_ranks() { # COMMAND...: on three ranks, where the program has ranks
    if [ "${MPI:-1}" = 0 ]; then
        "$@"
    else
        "$LAUNCH" -n 3 "$@"
    fi
}

# shellcheck disable=SC2086
holds "trains" on_ranks "$KARMA" train $quick $short --set workload.file="$load" \
    --set run.dir="$run_dir"
digest=$(sed -n '$s/^digest //p' "$WORK/out")
[ ${#digest} = 16 ]
result $? "and prints its digest last"
holds "the run remembers the load" grep -q "file: .*diurnal.txt" "$run_dir/run.yaml"

# shellcheck disable=SC2086
holds "evaluates" on_ranks "$KARMA" eval $quick --set eval.episodes=2 --set eval.resamples=100 \
    --set workload.file="$load" --set run.dir="$run_dir"
says out "policy" "the table has the policy"

# shellcheck disable=SC2086
on_ranks "$KARMA" train $quick $short --set run.dir="$WORK/model" >"$WORK/out" 2>"$WORK/err"
modelled=$(sed -n '$s/^digest //p' "$WORK/out")
[ -n "$modelled" ] && [ "$modelled" != "$digest" ]
result $? "the modelled load gives other weights"
done_testing

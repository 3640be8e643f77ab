# train.evaluate: the policy is measured while it is trained; the weights do not notice, and the
# file does not depend on ranks or interruptions.
. tests/cmd/tap.sh
export OPENBLAS_NUM_THREADS=1

tiny=configs/experiments/tiny.yaml
evaluate="--set train.evaluate.every=2 --set train.evaluate.episodes=2 --set train.updates=7"
often="--set train.checkpoint_every=1 --set train.learners=0"

train() { # RUN RANKS ARGUMENT...: exit status in $rc
    dir=$1 ranks=$2
    shift 2
    if [ "$ranks" = 1 ]; then
        set -- "$KARMA" train $tiny "$@"
    else
        set -- "$LAUNCH" -n "$ranks" "$KARMA" train $tiny "$@"
    fi
    run timeout "$HANGS" "$@" --set run.dir="$dir"
    digest=$(sed -n '$s/^digest //p' "$WORK/out")
}

train "$WORK/plain" 1 --set train.updates=7
want=$digest
holds "without: no file" sh -c "! [ -e '$WORK/plain/convergence.csv' ]"
# shellcheck disable=SC2086
train "$WORK/one" 1 $evaluate $often
same "$rc $digest" "0 $want" "the weights do not notice"
says err "converged" "it says whether it converged"
same "$(cut -d, -f1-3 "$WORK/one/convergence.csv" | tr '\n' ' ')" \
    "update,env_steps,episodes 2,3840,240 4,7680,480 6,11520,720 " "a row for every second update"
holds "metrics.csv is the same file" cmp "$WORK/plain/metrics.csv" "$WORK/one/metrics.csv"

# The references are those of an evaluation, and the last row is one of the policy at that moment.
# shellcheck disable=SC2086
train "$WORK/six" 1 $evaluate --set train.updates=6
"$KARMA" eval $tiny --set run.dir="$WORK/six" --set eval.episodes=2 --set eval.resamples=100 \
    --set "eval.controllers=[nothing, ff, policy]" --out "$WORK/eval" \
    >"$WORK/out" 2>&1 || cat "$WORK/out"
mean() { # CONTROLLER: answered in time
    awk -F, -v who="$1" '$1 == who { sum += $8; n++ } END { printf "%.6f", sum / n }' \
        "$WORK/eval/eval.csv"
}
last() { # COLUMN
    tail -n 1 "$WORK/six/convergence.csv" | awk -F, -v c="$1" '{ printf "%.6f", $c }'
}
same "$(last 7) $(last 8) $(last 4)" "$(mean nothing) $(mean ff) $(mean policy)" \
    "an evaluation measures the same"

if [ "${MPI:-1}" = 0 ]; then
    skip "ranks" "built without MPI"
else
    # shellcheck disable=SC2086
    train "$WORK/three" 3 $evaluate $often
    same "$rc $digest" "0 $want" "three ranks: the weights"
    holds "three ranks: the file" cmp "$WORK/one/convergence.csv" "$WORK/three/convergence.csv"
    # shellcheck disable=SC2086
    train "$WORK/ahead" 3 $evaluate --set train.pipeline=1
    same "$rc $(wc -l <"$WORK/ahead/convergence.csv" | tr -d ' ')" "0 4" "in a pipeline, too"
fi

# Stopped between two evaluations, and right after one.
for at in 5 4; do
    rm -rf "$WORK/cut"
    # shellcheck disable=SC2086
    train "$WORK/cut" 1 $evaluate $often --set train.checkpoint_keep=7
    for u in 6 $((at + 1)); do
        rm -f "$WORK/cut/checkpoints/update-$u.ckpt"
    done
    echo "running update $at of 7" >"$WORK/cut/status"
    # shellcheck disable=SC2086
    train "$WORK/cut" 1 $evaluate $often
    says err "resumed after update $at of 7" "stopped after update $at"
    same "$rc $digest" "0 $want" "stopped after update $at: the weights"
    holds "stopped after update $at: seconds go on" awk -F, \
        'NR > 1 { if ($2 + 0 < last) exit 1; last = $2 + 0 }' "$WORK/cut/timing.csv"
    holds "stopped after update $at: the file" cmp "$WORK/one/convergence.csv" \
        "$WORK/cut/convergence.csv"
done
done_testing

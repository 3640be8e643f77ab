# karma on SIGUSR1: a training ends in order after the current update, on all ranks, with what it
# has. A signal that comes before there is anything to end is remembered.
. tests/cmd/tap.sh

run_dir=$WORK/run

# Ask as soon as the first update stands in the run directory.
stop_training() { # LAUNCHER-AND-PROGRAM...
    "$@" train configs/experiments/tiny.yaml --set train.updates=100000 \
        --set run.dir="$run_dir" >"$WORK/out" 2>"$WORK/err" </dev/null &
    job=$!
    wait_until grep -qs running "$run_dir/status"
    kill -USR1 $job
    rc=0
    wait $job || rc=$?
}

stop_training "$KARMA"
same $rc 5 "one rank: exit status 5"
holds "one rank: status" grep -Eq '^stopped after update [0-9]+ of 100000$' "$run_dir/status"
holds "one rank: a policy" test -s "$run_dir/policy/weights.bin"
rows=$(($(wc -l <"$run_dir/metrics.csv") - 1))
same "$(sed 's/^stopped after update \([0-9]*\) .*/\1/' "$run_dir/status")" "$rows" \
    "one rank: a row for each update done"

if [ "${MPI:-1}" = 0 ]; then
    skip "three ranks" "built without MPI"
else
    rm -rf "$run_dir"
    stop_training "$LAUNCH" -n 3 "$KARMA"
    same $rc 5 "three ranks: exit status 5"
    holds "three ranks: status" grep -q '^stopped after update' "$run_dir/status"
fi

# --- before the configuration is read ------------------------------------------------------------
# Whoever opens a FIFO to write waits until a reader has opened it: the command is in main by then.
early() { # CONFIGURATION WORD...: the signal while `karma WORD... FIFO` reads its configuration
    config=$1
    shift
    rm -rf "$run_dir" "$WORK/fifo"
    mkfifo "$WORK/fifo"
    "$@" >"$WORK/out" 2>"$WORK/err" </dev/null &
    job=$!
    ( # alone: if the command has died of the signal, this dies of SIGPIPE
        kill -USR1 $job
        printf 'include: [%s]\n' "$PWD/$config"
    ) >"$WORK/fifo"
    rc=0
    wait $job || rc=$?
}

tiny=configs/experiments/tiny.yaml
early $tiny "$KARMA" train "$WORK/fifo" --set run.dir="$run_dir"
same $rc 5 "train, while it starts: exit status 5"
holds "train, while it starts: status" grep -q '^stopped before the first update' "$run_dir/status"
rules="eval.controllers=[{kind: nothing}, {kind: ff}]"
early $tiny "$KARMA" eval "$WORK/fifo" --out "$run_dir" --set "$rules"
same $rc 5 "eval, while it starts: exit status 5"
early $tiny "$KARMA" trace collect "$WORK/fifo" --out "$WORK/store" --set "$rules"
same $rc 5 "trace collect, while it starts: exit status 5"
exits 0 "a store of transitions" "$KARMA" trace collect $tiny --out "$WORK/store" --set "$rules" \
    --set eval.episodes=8
early $tiny "$KARMA" twin fit "$WORK/store" --config "$WORK/fifo" --out "$WORK/twin"
same $rc 5 "twin fit, while it starts: exit status 5"
early $tiny "$KARMA" config check "$WORK/fifo"
same $rc 138 "a command that cannot stop in order ends at once"
done_testing

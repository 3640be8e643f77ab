# karma train on SIGUSR1: ends in order after the current update, on all ranks, with what it has.
. tests/cmd/tap.sh

run_dir=$WORK/run

# Ask as soon as the first update stands in the run directory.
stop_training() { # LAUNCHER-AND-PROGRAM...
    "$@" train configs/experiments/tiny.yaml --set train.updates=100000 \
        --set run.dir="$run_dir" >"$WORK/out" 2>"$WORK/err" </dev/null &
    job=$!
    tries=0
    until grep -q running "$run_dir/status" 2>/dev/null || [ $tries -ge 600 ]; do
        tries=$((tries + 1))
        sleep 0.1
    done
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
done_testing
